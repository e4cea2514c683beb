"""Optimizers on a GPU: the update rule as one kernel for each span of parameters."""

from typing import Any

import numpy as np

from firstlight.fast.conditions import gpu_parameters, without_amsgrad
from firstlight.fast.cuda.kernel import BLOCK, blocks_for, launch
from firstlight.optim.adagrad import Adagrad
from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.optimizer import Group, Optimizer
from firstlight.optim.rmsprop import RMSprop
from firstlight.optim.sgd import SGD
from firstlight.support.array import Array
from firstlight.support.forms import form

CHUNKS = 64  # blocks of a sum; their sums are added in a second stage


class CudaStep:
    """Take a step without the host: a kernel reads from the loss scale whether it is skipped.

    Base of forms with such a kernel as `update`. A class that overrides `update` gets neither.
    """

    def step(self, optimizer: Optimizer) -> None:
        for group, t, *arrays in optimizer.begin_step(skip_bad=False):
            optimizer.update(group, t, *arrays)
        optimizer.end_step()


@form(Adam, when=[gpu_parameters, without_amsgrad])
class CudaAdam(CudaStep):
    """Take the step in one kernel."""

    decoupled: bool = False

    def update(
        self, optimizer: Optimizer, group: Group, t: int, w: Array, g: Array, m: Array, v: Array
    ) -> None:
        counts = counts_of(optimizer)
        lr, (beta1, beta2) = group["lr"], group["betas"]
        numbers = [lr, beta1, beta2, group["eps"], group["weight_decay"]]
        numbers += [lr / (1 - beta1**t), (1 - beta2**t) ** -0.5]
        decided = w if counts is None else corrections(w, counts, lr, beta1, beta2, t)
        arguments = (w, g, m, v, *map(float, numbers), int(self.decoupled), w.size)
        arguments += (decided, int(counts is not None))
        launch("optimizers", "adam", w, blocks_for(w.size), *arguments)


@form(AdamW, when=[gpu_parameters, without_amsgrad])
class CudaAdamW(CudaAdam):
    """Take the step in one kernel."""

    decoupled: bool = True


@form(SGD, when=[gpu_parameters])
class CudaSGD(CudaStep):
    """Take the step in one kernel."""

    def update(
        self, optimizer: SGD, group: Group, t: int, w: Array, g: Array, b: Array | Any
    ) -> None:
        numbers = [group["lr"], group["momentum"], 1 - group["dampening"], group["weight_decay"]]
        arguments = (w, g, g if b is None else b, *map(float, numbers))
        arguments += (int(group["nesterov"]), t)
        launch_guarded("sgd", optimizer, *arguments)


@form(RMSprop, when=[gpu_parameters])
class CudaRMSprop(CudaStep):
    """Take the step in one kernel."""

    def update(
        self,
        optimizer: RMSprop,
        group: Group,
        t: int,
        w: Array,
        g: Array,
        v: Array,
        a: Array | Any,
        b: Array | Any,
    ) -> None:
        numbers = [group["lr"], group["alpha"], 1 - group["alpha"], group["eps"]]
        numbers += [group["weight_decay"], group["momentum"]]
        arguments = (w, g, v, g if a is None else a, g if b is None else b, *map(float, numbers))
        launch_guarded("rmsprop", optimizer, *arguments, int(group["centered"]))


@form(Adagrad, when=[gpu_parameters])
class CudaAdagrad(CudaStep):
    """Take the step in one kernel."""

    def update(
        self, optimizer: Adagrad, group: Group, t: int, w: Array, g: Array, s: Array
    ) -> None:
        rates = map(np.float64, (group["lr"], group["lr_decay"]))
        numbers = float(group["eps"]), float(group["weight_decay"])
        launch_guarded("adagrad", optimizer, w, g, s, *rates, *numbers, t)


@form(Optimizer, when=[gpu_parameters])
class CudaNorm:
    """Sum the squares in float64, without a copy of the gradient."""

    def grad_norm(self, optimizer: Optimizer) -> Array | np.float64:
        return sum(map(sum_of_squares, optimizer.trained_grads())) ** 0.5


def sum_of_squares(x: Array) -> Array:
    """Return Σ x² in float64, a 0-d array."""
    blocks = min(CHUNKS, blocks_for(x.size))
    partial = np.empty_like(x, shape=(blocks * BLOCK,), dtype="float64")
    launch("sums", "square_sums", x, blocks, x, partial, np.int64(x.size))
    return partial.sum()


def launch_guarded(function: str, optimizer: Optimizer, w: Array, *args: Any) -> None:
    """Run an optimizer's kernel for each number of w, unless the loss scale skips the step."""
    counts = counts_of(optimizer)
    guard = (w if counts is None else counts, int(counts is not None))
    launch("optimizers", function, w, blocks_for(w.size), w, *args, w.size, *guard)


def counts_of(optimizer: Optimizer) -> Array | None:
    """Return the counts of the loss scale, None if there is none."""
    return None if optimizer.loss_scale is None else optimizer.loss_scale.counts


def corrections(w: Array, counts: Array, lr: float, beta1: float, beta2: float, t: int) -> Array:
    """Return, on the device, whether step t is bad, and Adam's factors for the good steps in t."""
    found = np.empty_like(w, shape=(3,))
    numbers = map(np.float64, (lr, beta1, beta2))
    launch("scaling", "corrections", w, 1, found, counts, *numbers, t, block=1)
    return found
