"""Optimizers: steps in blocks that stay in the cache, on all cores; rules in place."""

from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.fast.blocked.parallel import even_rows, spread
from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.conditions import float32_parameters, numpy_parameters, without_amsgrad
from firstlight.optim.adagrad import Adagrad
from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.optimizer import Group, Optimizer
from firstlight.optim.rmsprop import RMSprop
from firstlight.optim.sgd import SGD
from firstlight.support.array import Array
from firstlight.support.forms import form

BLOCK = 131_072  # elements, which stay in the cache for several passes
LARGE = 1_000_000  # elements; below it, one thread is faster than several
SMALL = 1e-30  # below it, squares of single precision may have vanished


@form(Optimizer, when=[numpy_parameters])
class BlockedStep:
    """Call `update`, of any optimizer, for blocks of the flat arrays, large ones in threads."""

    def step(self, optimizer: Optimizer) -> None:
        for group, t, *arrays in optimizer.begin_step():

            def update(start, stop, group=group, t=t, arrays=arrays):
                block = [a if a is None else a[start:stop] for a in arrays]
                optimizer.update(group, t, *block)

            each_block(update, arrays[0].size)
        optimizer.end_step()


def each_block(function: Callable[[int, int], Any], size: int) -> None:
    """Call ``function(start, stop)`` for each block of 0 ... size."""
    if size < LARGE:
        for start in range(0, size, BLOCK):
            function(start, min(start + BLOCK, size))
    else:
        spread(function, size, even_rows(size, 2))  # blocks of about 2 · BLOCK


@form(Optimizer, when=[numpy_parameters])
class BlockedNorm:
    """Compute the norm of the gradient by BLAS."""

    def grad_norm(self, optimizer: Optimizer) -> Array | np.float64:
        return sum(map(sum_of_squares, optimizer.trained_grads())) ** 0.5


def sum_of_squares(x: Array) -> np.float64:
    """Return Σ x² in float64.

    BLAS' product in the precision of x is the fastest, and nearly always enough. Where its result
    overflows or is tiny, the sum is made again in float64.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.full(2, 1e20, "float32")
    >>> print(np.vdot(x, x), f"{sum_of_squares(x):.4g}")
    inf 2e+40
    """
    total = np.float64(0 if x.dtype == "float16" else np.vdot(x, x))
    if x.dtype == "float64" or SMALL < total < np.inf:
        return total
    blocks = (x[i : i + BLOCK].astype("float64") for i in range(0, len(x), BLOCK))
    return sum((np.vdot(block, block) for block in blocks), np.float64(0))


@form(Adam, when=[float32_parameters, without_amsgrad])
class BlockedAdam:
    """Compute the step with one division, in place.

    With c₁ = 1 - β₁ᵗ and c₂ = 1 - β₂ᵗ::

        lr (m / c₁) / (√(v / c₂) + eps)  =  (lr / c₁) m / (√v / √c₂ + eps)
    """

    def update(
        self, optimizer: Adam, group: Group, t: int, w: Array, g: Array, m: Array, v: Array
    ) -> None:
        self.descend(group, t, w, with_decay(group, w, g), m, v)

    @staticmethod
    def descend(group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        """Update m and v with the gradient g, and w by Adam's step."""
        beta1, beta2 = group["betas"]
        step = scratch("step", g.shape, g)
        np.multiply(g, 1 - beta1, out=step)
        m *= beta1
        m += step
        np.multiply(g, g, out=step)
        step *= 1 - beta2
        v *= beta2
        v += step
        np.sqrt(v, out=step)
        step *= (1 - beta2**t) ** -0.5
        step += group["eps"]
        np.divide(m, step, out=step)
        step *= group["lr"] / (1 - beta1**t)
        w -= step


@form(AdamW, when=[float32_parameters, without_amsgrad])
class BlockedAdamW(BlockedAdam):
    """Shrink the weights, then step as Adam."""

    def update(
        self, optimizer: AdamW, group: Group, t: int, w: Array, g: Array, m: Array, v: Array
    ) -> None:
        if group["weight_decay"]:
            w *= 1 - group["lr"] * group["weight_decay"]
        self.descend(group, t, w, g, m, v)


@form(SGD, when=[float32_parameters])
class BlockedSGD:
    """Compute the step in place."""

    def update(
        self, optimizer: SGD, group: Group, t: int, w: Array, g: Array, b: Array | Any
    ) -> None:
        lr, momentum = group["lr"], group["momentum"]
        g = with_decay(group, w, g)
        step = scratch("step", g.shape, g)
        if not momentum:
            w -= np.multiply(g, lr, out=step)
            return
        share = 1 if t == 1 else 1 - group["dampening"]
        b *= momentum
        b += g if share == 1 else np.multiply(g, share, out=step)
        if group["nesterov"]:
            w -= np.multiply(g, lr, out=step)
            lr *= momentum
        w -= np.multiply(b, lr, out=step)


@form(RMSprop, when=[float32_parameters])
class BlockedRMSprop:
    """Compute the step in place."""

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
        alpha = group["alpha"]
        g = with_decay(group, w, g)
        step = scratch("step", g.shape, g)
        np.multiply(g, g, out=step)
        step *= 1 - alpha
        v *= alpha
        v += step
        if group["centered"]:
            np.multiply(g, 1 - alpha, out=step)
            a *= alpha
            a += step
            np.multiply(a, a, out=step)
            np.subtract(v, step, out=step)
            np.maximum(step, 0, out=step)
            np.sqrt(step, out=step)
        else:
            np.sqrt(v, out=step)
        step += group["eps"]
        np.divide(g, step, out=step)
        if group["momentum"]:
            b *= group["momentum"]
            b += step
            np.multiply(b, group["lr"], out=step)
        else:
            step *= group["lr"]
        w -= step


@form(Adagrad, when=[float32_parameters])
class BlockedAdagrad:
    """Compute the step in place."""

    def update(
        self, optimizer: Adagrad, group: Group, t: int, w: Array, g: Array, s: Array
    ) -> None:
        g = with_decay(group, w, g)
        step = scratch("step", g.shape, g)
        np.multiply(g, g, out=step)
        s += step
        np.sqrt(s, out=step)
        step += group["eps"]
        np.divide(g, step, out=step)
        step *= group["lr"] / (1 + (t - 1) * group["lr_decay"])
        w -= step


def with_decay(group: Group, w: Array, g: Array) -> Array:
    """Return g + weight_decay · w, in scratch memory; g itself if weight_decay is 0."""
    if not group["weight_decay"]:
        return g
    decayed = scratch("decayed", g.shape, g)
    np.multiply(w, group["weight_decay"], out=decayed)
    return np.add(decayed, g, out=decayed)
