"""Fused: an optimizer's rule as one kernel, where it is the rule."""

from functools import partial

from firstlight.fast.cuda import kernel


def fused_rule(optimizer):
    """Return the kernel that does what ``optimizer.update`` does on its arrays, or None.

    A class that overrides `update` without a kernel of its own has none. The kernel reads from the
    counts of the loss scale which steps are left out; see `firstlight.fast.blocked.scaling`.
    """
    classes = type(optimizer).__mro__
    owner = next(kind for kind in classes if "update" in vars(kind))
    if vars(owner).get("fused") is None or not kernel.usable(optimizer.flat.data):
        return None
    if optimizer.loss_scale is None:
        return optimizer.fused
    return partial(optimizer.fused, counts=optimizer.loss_scale.counts)


def launch_runs(optimizer, fused, t):
    """Take an optimizer's step number ``t`` by its kernel."""
    state, flat = optimizer.state_in_order(), optimizer.flat
    for group, start, stop, missed in optimizer.trained_runs():
        parts = [None if array is None else array[start:stop] for array in state]
        fused(group, t - missed, flat.data[start:stop], flat.grad[start:stop], *parts)
