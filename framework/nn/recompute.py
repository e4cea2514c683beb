"""Recomputation: a block keeps only its input, and backward runs forward again.

Memory for time: a block's own activations, some 15 times its input in a Transformer, exist for
one block at a time, and a step takes one forward more.
"""

from contextlib import contextmanager

from firstlight.support import rng as randomness

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


@contextmanager
def replayed(place):
    """Have dropout draw what it drew from a `dropout_place` of `firstlight.rng` on, and go back."""
    now = randomness.dropout_place()
    randomness.go_to(place)
    try:
        yield
    finally:
        randomness.go_to(now)
