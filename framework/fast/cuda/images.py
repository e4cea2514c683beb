"""Pooling and resizing on a GPU.

Max pooling has kernels. The means and `Upsample` are the array expressions of the blocked forms,
which CuPy arrays take as one block.
"""

import math
from typing import Any

import numpy as np

from firstlight.fast.blocked.pooling import BlockedAvgPool2d, BlockedMaxPool2d
from firstlight.fast.blocked.resize import BlockedUpsample
from firstlight.fast.conditions import gpu_float, gpu_stored
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.fast.cuda.windows import geometry
from firstlight.nn.pooling import AvgPool2d, MaxPool2d
from firstlight.nn.upsample import Upsample
from firstlight.nn.window import Window
from firstlight.support.array import Array
from firstlight.support.forms import form

PLACES = 256  # most positions in a window, as the kernels store one in a byte


def small_window(layer: Any, x: Any) -> bool:
    """Windows of at most 256 pixels."""
    return math.prod(layer.window.kernel) <= PLACES


@form(MaxPool2d, when=[gpu_stored, small_window])
class CudaMaxPool2d(BlockedMaxPool2d):
    """Find the largest pixel in one kernel, and gather dx in another."""

    @staticmethod
    def largest(x: Array, window: Window) -> tuple[Array, Array]:
        rows, columns = window.axes(x.shape[1:3])
        x = contiguous(x)
        shape = (len(x), rows.out, columns.out, x.shape[3])
        y = np.empty_like(x, order="C", shape=shape)
        place = np.empty_like(x, order="C", shape=shape, dtype="uint8")
        if y.size:
            numbers = (*geometry(x.shape[3], x.shape[1:3], rows, columns), y.size)
            launch("pooling", "max_pool", x, blocks_for(y.size), x, y, place, *numbers)
        return y, place

    @staticmethod
    def put_back(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
        rows, columns = window.axes(image)
        dx = np.empty_like(dy, order="C", shape=(len(dy), *image, dy.shape[3]))
        if dx.size:
            dy = contiguous(dy)
            numbers = (*geometry(dy.shape[3], image, rows, columns), dx.size)
            launch("pooling", "max_pool_dx", dx, blocks_for(dx.size), dy, place, dx, *numbers)
        return dx


@form(AvgPool2d, when=[gpu_float])
class CudaAvgPool2d(BlockedAvgPool2d):
    """Divide by numbers of pixels that are known on the host, where all windows count the same."""


@form(Upsample, when=[gpu_float])
class CudaUpsample(BlockedUpsample):
    """Take all new rows at once, with indices that are copied to the GPU once."""
