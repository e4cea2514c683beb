"""BatchNorm on a GPU: three kernels forward, four backward."""

import numpy as np

from firstlight.distributed import sharding
from firstlight.distributed.normalisation import several_ranks, whole_moments
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import (
    BLOCKS,
    CHUNK,
    add_column_sums,
    column_sums,
    contiguous,
    contiguous_like,
)
from firstlight.fast.cuda.kernel import BLOCK, WARP, launch, reals
from firstlight.nn.batchnorm import BatchNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(BatchNorm, when=[gpu_stored, several_ranks])
@form(BatchNorm, when=[gpu_stored])
class CudaBatchNorm:
    """Compute sums by channel over chunks of rows first, and x̂ from x in both directions.

    With several ranks, `whole_moments` and `sums` exchange what the whole batch needs.
    """

    def forward(self, layer: BatchNorm, x: Array) -> Array:  # x (N, ..., C)
        x, n = contiguous(x), 0
        if layer.training or layer.running_mean is None:
            mean, var, n = self.moments(layer, x)  # (C,)
        else:
            mean, var = layer.running_mean.data, layer.running_var.data
            if layer.saves:  # backward may come after they have changed
                mean, var = mean.copy(), var.copy()
        y = np.empty_like(x)
        w, b = (mean if p is None else p.data for p in (layer.weight, layer.bias))
        flags = int(layer.weight is not None), int(layer.bias is not None)
        _launch("batch_norm", x, x, mean, var, w, b, y, layer.eps, flags=flags)
        layer.save(x, mean, var, n)
        return y

    def backward(self, layer: BatchNorm, dy: Array) -> Array:  # dy (N, ..., C)
        x, mean, var, n = layer.saved()
        dy, dx = contiguous_like(dy, x), np.empty_like(x)
        parts = _parts(x)  # of dw and db
        _launch("gradient_parts", x, dy, x, mean, var, parts, layer.eps)
        total = column_sums(parts)  # (2 C,)
        parameters = [p for p in (layer.weight, layer.bias) if p is not None]
        if parameters:
            part = total[: len(parameters) * x.shape[-1]]
            add_column_sums(part[None], *(p.grad for p in parameters))
        (total,) = sharding.sums(total) if n else (total,)
        w, flags = (mean, (0,)) if layer.weight is None else (layer.weight.data, (1,))
        numbers = layer.eps, float(n)
        _launch("batch_norm_dx", x, dy, x, mean, var, w, total, dx, *numbers, flags=flags)
        return dx

    @staticmethod
    def moments(layer: BatchNorm, x: Array) -> tuple[Array, Array, int]:
        """Return mean, variance and count of the whole batch; update the running statistics."""
        parts, n, channels = _parts(x), x.size // x.shape[-1], x.shape[-1]
        mean, var = reals(x, (2, channels))
        _launch("moment_parts", x, x, parts)
        tracks = layer.training and layer.running_mean is not None
        tracks &= sharding.current() is None and type(layer).track is BatchNorm.track
        running = (layer.running_mean.data, layer.running_var.data) if tracks else (mean, var)
        (tiles, _), numbers = _shape(x)
        arguments = parts, mean, var, *running, layer.momentum, *numbers, int(tracks)
        block = WARP, BLOCK // WARP
        launch("batchnorm", "whole_moments", x, tiles, *arguments, block=block)
        mean, var, n = whole_moments(mean, var, n)
        if not tracks:
            layer.track(mean, var, n)
        return mean, var, n


def _shape(x):
    """Return the blocks for x (N, ..., C), and the numbers of rows, channels and a chunk's rows."""
    channels = x.shape[-1]
    rows, tiles = x.size // channels, -(-channels // WARP)
    chunk = max(CHUNK, -(-rows * tiles // BLOCKS))
    return (tiles, -(-rows // chunk)), (rows, channels, chunk)


def _parts(x):
    """Return memory for two sums of each channel and chunk."""
    (_, chunks), (_, channels, _) = _shape(x)
    return reals(x, (chunks, 2 * channels))


def _launch(function, x, *arguments, flags=()):
    grid, numbers = _shape(x)
    if x.size:
        block = WARP, BLOCK // WARP
        launch("batchnorm", function, x, grid, *arguments, *numbers, *flags, block=block)
