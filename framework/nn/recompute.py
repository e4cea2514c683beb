"""Recomputation: a block keeps only its input, and backward runs forward again.

Memory for time: a block's own activations, some 15 times its input in a Transformer, exist for
one block at a time, and a step takes one forward more.
"""

from contextlib import contextmanager

from firstlight import rng as randomness

# "Training Deep Nets with Sublinear Memory Cost", Chen et al., 2016.


@contextmanager
def unsaved(block):
    """Have the modules inside a block keep nothing for backward."""
    inside = [module for module in block.modules() if module is not block]
    stacks = [module._stack for module in inside]
    try:
        for module in inside:
            module._stack = None
        yield
    finally:
        for module, stack in zip(inside, stacks, strict=True):
            module._stack = stack


def dropout_state():
    """Return where the stream of dropout stands, for `replayed`."""
    return randomness.stream("dropout").bit_generator.state


@contextmanager
def replayed(state):
    """Have dropout draw what it drew from ``state`` on; leave the stream as it was."""
    bits = randomness.stream("dropout").bit_generator
    now, bits.state = bits.state, state
    try:
        yield
    finally:
        bits.state = now
