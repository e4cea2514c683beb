"""Optimizers on a GPU: the update rule as one kernel for each span of parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.fast.cuda import kernel
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.support.array import Array

if TYPE_CHECKING:
    from firstlight.optim.optimizer import Optimizer


def fused_rule(optimizer: Optimizer) -> Callable[..., None] | None:
    """Return the kernel that does what ``optimizer.update`` does on its arrays, or None.

    A class that overrides `update` without a kernel of its own has none. The kernel reads from the
    counts of the loss scale which steps are skipped; see `firstlight.fast.blocked.gradients`.
    """
    classes = type(optimizer).__mro__
    owner = next(kind for kind in classes if "update" in vars(kind))
    if vars(owner).get("fused") is None or not kernel.usable(optimizer.flat.data):
        return None
    if optimizer.loss_scale is None:
        return optimizer.fused
    return partial(optimizer.fused, counts=optimizer.loss_scale.counts)


def adam(
    group: dict[str, Any],
    t: int,
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    decoupled: bool,
    counts: Array | None = None,
) -> None:
    """Take Adam's or AdamW's step on slices of the flat arrays, unless ``counts`` says bad."""
    lr, (beta1, beta2) = group["lr"], group["betas"]
    numbers = [lr, beta1, beta2, group["eps"], group["weight_decay"]]
    numbers += [lr / (1 - beta1**t), (1 - beta2**t) ** -0.5]
    decided = w if counts is None else corrections(w, counts, lr, beta1, beta2, t)
    arguments = (w, g, m, v, *map(float, numbers), int(decoupled), w.size)
    launch(
        "optimizers", "adam", w, blocks_for(w.size), *arguments, decided, int(counts is not None)
    )


def sgd(
    group: dict[str, Any],
    t: int,
    w: Array,
    g: Array,
    buffer: Array | None,
    *,
    counts: Array | None = None,
) -> None:
    """Take SGD's step on slices of the flat arrays, unless ``counts`` says bad."""
    numbers = [group["lr"], group["momentum"], 1 - group["dampening"], group["weight_decay"]]
    arguments = (w, g, g if buffer is None else buffer, *map(float, numbers))
    arguments += (int(group["nesterov"]), t, w.size)
    decided = w if counts is None else counts
    launch("optimizers", "sgd", w, blocks_for(w.size), *arguments, decided, int(counts is not None))


def corrections(w: Array, counts: Array, lr: float, beta1: float, beta2: float, t: int) -> Array:
    """Return, on the device, whether step t is bad, and Adam's factors for the good steps in t."""
    found = np.empty_like(w, shape=(3,))
    numbers = map(np.float64, (lr, beta1, beta2))
    launch("scaling", "corrections", w, 1, found, counts, *numbers, t, block=1)
    return found
