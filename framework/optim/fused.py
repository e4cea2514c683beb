"""Fused: an optimizer's rule as one kernel, where it is the rule."""

from functools import partial

from firstlight.ops import kernel


def fused_rule(optimizer):
    """Return the kernel that does what ``optimizer.update`` does on its arrays, or None.

    A class that overrides `update` without a kernel of its own has none.
    """
    classes = type(optimizer).__mro__
    owner = next(kind for kind in classes if "update" in vars(kind))
    if vars(owner).get("fused") is None or not kernel.usable(optimizer.flat.data):
        return None
    if optimizer.loss_scale is None:
        return optimizer.fused
    return partial(optimizer.fused, counts=optimizer.loss_scale.counts)
