"""Recomputation: a block keeps only its inputs, and its backward runs forward again.

This trades time for memory: a block's own activations, in a Transformer about 15 times its input,
exist for one block at a time, and a step takes one more forward. A block has an attribute
``recompute`` and computes y in ``_forward(*inputs)``.

References
----------
Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
"""

from contextlib import contextmanager
from typing import Any

from firstlight.support import rng as randomness


def run(block: Any, *inputs: Any) -> Any:
    """Return ``block._forward(*inputs)``; if it recomputes, save only the inputs for backward."""
    if not block.recompute or block._stack is None:
        return block._forward(*inputs)
    block.save(inputs, randomness.dropout_place())
    with _saving_nothing(block):
        return block._forward(*inputs)


def replay(block: Any) -> None:
    """Run forward again with the same dropout, if the block recomputes; call it in backward."""
    if not block.recompute:
        return
    inputs, place = block.saved()
    now = randomness.dropout_place()
    randomness.go_to(place)
    try:
        block._forward(*inputs)
    finally:
        randomness.go_to(now)


@contextmanager
def _saving_nothing(block):
    inside = [module for module in block.modules() if module is not block]
    stacks = [module._stack for module in inside]
    try:
        for module in inside:
            module._stack = None
        yield
    finally:
        for module, stack in zip(inside, stacks, strict=True):
            module._stack = stack
