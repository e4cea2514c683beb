"""BatchNorm in few passes: y and dx are maps of x and dy with two or three numbers a channel.

With x̂ = (x - mean) r, the lesson's formulas become ::

    y  = s x + (b - s mean)                         s = w r
    dx = s dy + t x - (s db/n + t mean)             t = -s r dw/n
"""

import math

import numpy as np

from firstlight.distributed.normalisation import several_ranks, whole_moments
from firstlight.distributed.sharding import sums
from firstlight.fast.blocked.channels import channel_dots, channel_map, channel_moments
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.batchnorm import BatchNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(BatchNorm, when=[numpy_float32, several_ranks])
@form(BatchNorm, when=[numpy_float32])
class BlockedBatchNorm:
    """Compute sums and maps by channel in blocks that stay in the cache.

    With several ranks, `whole_moments` and `sums` exchange what the whole batch needs.
    """

    def forward(self, layer: BatchNorm, x: Array) -> Array:  # x (N, ..., C)
        if layer.training or layer.running_mean is None:
            n = math.prod(x.shape[:-1])
            mean, var, n = whole_moments(*self.moments(x), n)  # (C,)
            layer.track(mean, var, n)
        else:
            mean, var, n = layer.running_mean.data.copy(), layer.running_var.data, None
        r = 1 / np.sqrt(var + layer.eps)  # (C,)
        layer.save(x, mean, r, n)
        if layer.weight is None:
            return self.affine(-mean * r, (x, r))  # (N, ..., C)
        s = layer.weight.data * r  # (C,)
        shift = -mean * s if layer.bias is None else layer.bias.data - mean * s  # (C,)
        return self.affine(shift, (x, s))  # (N, ..., C)

    def backward(self, layer: BatchNorm, dy: Array) -> Array:  # dy (N, ..., C)
        x, mean, r, n = layer.saved()
        db, dw = self.dots(dy, x, mean)  # (C,) each
        dw *= r
        s = r  # (C,)
        if layer.weight is not None:
            layer.weight.grad += dw
            if layer.bias is not None:
                layer.bias.grad += db
            s = layer.weight.data * r
        if n is None:  # mean and variance are constants
            return dy * s
        db, dw = sums(db, dw)
        t = -s * r * dw / n  # (C,)
        return self.affine(-s * db / n - t * mean, (dy, s), (x, t))  # (N, ..., C)

    @staticmethod
    def moments(x: Array) -> tuple[Array, Array]:
        """Return mean and variance of each channel, (C,) each."""
        return channel_moments(x)

    @staticmethod
    def dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Return Σ dy and Σ dy (x - mean) of each channel, (C,) each."""
        return channel_dots(dy, x, mean)

    @staticmethod
    def affine(shift: Array, *terms: tuple[Array, Array]) -> Array:
        """Return Σ scale · x + shift over one or two pairs (x, scale)."""
        return channel_map(shift, *terms)
