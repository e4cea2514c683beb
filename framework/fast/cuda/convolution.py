"""Conv2d and ConvTranspose2d on a GPU: products of patches and kernels by cuBLAS.

The patches are made by a kernel, for as many samples at a time as have patches that fit in the
GPU's L2 cache. Groups are separate convolutions.
"""

import numpy as np

from firstlight.fast.blocked.convolution import (
    BlockedConv2d,
    BlockedConvTranspose2d,
    BlockedSums,
)
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import add_bias, add_column_sums, contiguous, rows_of
from firstlight.fast.cuda.gemm import matmul, rounded
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.fast.cuda.windows import geometry
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.window import Window
from firstlight.support.array import Array
from firstlight.support.forms import form

PATCH_BYTES = 24 << 20  # of a matrix of patches: half of an H100's L2 cache


class CudaSums(BlockedSums):
    """The sums of both layers, of matrices of patches in the GPU's memory."""

    def convolve(
        self, x: Array, w: Array, bias: Array | None, window: Window, groups: int
    ) -> Array:
        rows, columns = window.axes(x.shape[1:3])
        y = np.empty_like(x, order="C", shape=(len(x), rows.out, columns.out, len(w)))
        kernels, y_rows = _matrix(w), rows_of(y)  # (O, K), (N places, O)
        for of_x, of_y in _groups(groups, x.shape[3], len(w)):
            for of_rows, matrix in _patches(x[..., of_x], rows, columns):
                matmul(matrix, kernels[of_y].T, out=y_rows[of_rows, of_y])
        add_bias(y, bias)
        return y

    def add_weight_gradient(
        self, x: Array, dy: Array, window: Window, groups: int, out: Array
    ) -> None:
        rows, columns = window.axes(x.shape[1:3])
        dy_rows, dw = rows_of(dy), contiguous(out)
        dw = dw.reshape(len(dw), -1)  # (O, K)
        for of_x, of_y in _groups(groups, x.shape[3], dy.shape[3]):
            for of_rows, matrix in _patches(x[..., of_x], rows, columns):
                matmul(dy_rows[of_rows, of_y].T, matrix, out=dw[of_y], accumulate=True)
        if not out.flags.c_contiguous:
            out[...] = dw.reshape(out.shape)

    def input_gradient(
        self, dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int
    ) -> Array:
        rows, columns = window.axes(image)
        channels, size = w.shape[3], w[0].size
        dx = np.empty_like(dy, order="C", shape=(len(dy), *image, groups * channels))
        kernels, dy_rows = _matrix(w), rows_of(dy)  # (O, K), (N places, O)
        for of_x, of_y in _groups(groups, dx.shape[3], len(w)):
            for samples, of_rows in _sample_slices(dy, rows, columns, size):
                matrix = matmul(
                    dy_rows[of_rows, of_y], kernels[of_y], dtype=dy.dtype
                )  # (places, K)
                given = dx[samples, :, :, of_x]
                part = given if groups == 1 else np.empty_like(given, order="C")
                numbers = (*geometry(channels, image, rows, columns), part.size)
                launch("convolution", "col2im", dx, blocks_for(part.size), matrix, part, *numbers)
                if groups > 1:
                    given[...] = part
        return dx

    def add_sums(self, dy: Array, out: Array) -> None:
        add_column_sums(rows_of(dy), out)


class RoundedInput:
    """Let images and their gradients be in half precision, where it is on."""

    def forward(self, layer: Conv2d | ConvTranspose2d, x: Array) -> Array:
        y = super().forward(layer, rounded(x))
        if layer.saves:
            layer.save(*layer.saved(), x.dtype)
        return y

    def backward(self, layer: Conv2d | ConvTranspose2d, dy: Array) -> Array | None:
        *saved, dtype = layer.saved()
        layer.save(*saved)
        dx = super().backward(layer, rounded(dy))
        return None if dx is None else dx.astype(dtype, copy=False)


@form(Conv2d, when=[gpu_stored])
class CudaConv2d(RoundedInput, BlockedConv2d):
    """Multiply matrices of patches and kernels by cuBLAS."""

    sums = CudaSums()


@form(ConvTranspose2d, when=[gpu_stored])
class CudaConvTranspose2d(RoundedInput, BlockedConvTranspose2d):
    """Multiply matrices of patches and kernels by cuBLAS."""

    sums = CudaSums()


def _matrix(w):
    """Return kernels w (O, kh, kw, C) as factors (O, K)."""
    return rounded(contiguous(w).reshape(len(w), -1))


def _groups(groups, channels, out):
    """Yield the channels of x and of y of each group, as slices."""
    for group in range(groups):
        yield tuple(
            slice(group * (size // groups), (group + 1) * (size // groups))
            for size in (channels, out)
        )


def _patches(x, rows, columns):
    """Yield ``(rows of y, matrix)``, matrix (places, kh · kw · C)."""
    x = contiguous(x)
    size = rows.taps * columns.taps * x.shape[3]
    for samples, of_rows in _sample_slices(x, rows, columns, size):
        matrix = np.empty_like(x, order="C", shape=(of_rows.stop - of_rows.start, size))
        numbers = (*geometry(x.shape[3], x.shape[1:3], rows, columns), matrix.size)
        launch("convolution", "im2col", x, blocks_for(matrix.size), x[samples], matrix, *numbers)
        yield of_rows, matrix


def _sample_slices(x, rows, columns, size):
    """Yield slices of samples and of the rows (samples · places) of y."""
    places = rows.out * columns.out
    count = max(1, PATCH_BYTES // (places * size * x.itemsize))
    for first in range(0, len(x), count):
        stop = min(first + count, len(x))
        yield slice(first, stop), slice(first * places, stop * places)
