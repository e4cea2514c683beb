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
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import channel_sums, contiguous
from firstlight.fast.cuda.gemm import matmul
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
        kernels = contiguous(w).reshape(len(w), -1)  # (O, K)
        for of_x, of_y in _groups(groups, x.shape[3], len(w)):
            for samples, matrix in _patches(x[..., of_x], rows, columns):
                product = matmul(matrix, kernels[of_y].T)
                y[samples, :, :, of_y] = product.reshape(y[samples, :, :, of_y].shape)
        if bias is not None:
            y += bias
        return y

    def weight_gradient(self, x: Array, dy: Array, window: Window, groups: int) -> Array:
        rows, columns = window.axes(x.shape[1:3])
        out, size = dy.shape[3], rows.taps * columns.taps * (x.shape[3] // groups)
        dw = np.zeros_like(x, order="C", shape=(out, size))
        for of_x, of_y in _groups(groups, x.shape[3], out):
            for samples, matrix in _patches(x[..., of_x], rows, columns):
                part = contiguous(dy[samples, :, :, of_y])
                part = part.reshape(-1, part.shape[3])  # (places, O)
                matmul(part.T, matrix, out=dw[of_y], accumulate=True)
        return dw.reshape(out, rows.taps, columns.taps, -1)

    def input_gradient(
        self, dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int
    ) -> Array:
        rows, columns = window.axes(image)
        channels, size = w.shape[3], w[0].size
        dx = np.empty_like(dy, order="C", shape=(len(dy), *image, groups * channels))
        kernels = contiguous(w).reshape(len(w), size)  # (O, K)
        for of_x, of_y in _groups(groups, dx.shape[3], len(w)):
            for samples in _sample_slices(dy, rows, columns, size):
                part = contiguous(dy[samples, :, :, of_y])
                matrix = matmul(part.reshape(-1, part.shape[3]), kernels[of_y])  # (places, K)
                given = np.empty_like(dy, order="C", shape=(len(part), *image, channels))
                numbers = (*geometry(channels, image, rows, columns), given.size)
                launch("convolution", "col2im", dx, blocks_for(given.size), matrix, given, *numbers)
                dx[samples, :, :, of_x] = given
        return dx

    def sum_rows(self, dy: Array) -> Array:
        return channel_sums(dy)


@form(Conv2d, when=[gpu_float])
class CudaConv2d(BlockedConv2d):
    """Multiply matrices of patches and kernels by cuBLAS."""

    sums = CudaSums()


@form(ConvTranspose2d, when=[gpu_float])
class CudaConvTranspose2d(BlockedConvTranspose2d):
    """Multiply matrices of patches and kernels by cuBLAS."""

    sums = CudaSums()


def _groups(groups, channels, out):
    """Yield the channels of x and of y of each group, as slices."""
    for group in range(groups):
        yield tuple(
            slice(group * (size // groups), (group + 1) * (size // groups))
            for size in (channels, out)
        )


def _patches(x, rows, columns):
    """Yield ``(samples, matrix)``, matrix (places, kh · kw · C)."""
    x = contiguous(x)
    size = rows.taps * columns.taps * x.shape[3]
    for samples in _sample_slices(x, rows, columns, size):
        part = x[samples]
        places = len(part) * rows.out * columns.out
        matrix = np.empty_like(x, order="C", shape=(places, size))
        numbers = (*geometry(x.shape[3], x.shape[1:3], rows, columns), matrix.size)
        launch("convolution", "im2col", x, blocks_for(matrix.size), part, matrix, *numbers)
        yield samples, matrix


def _sample_slices(x, rows, columns, size):
    count = max(1, PATCH_BYTES // (rows.out * columns.out * size * x.itemsize))
    return [slice(first, min(first + count, len(x))) for first in range(0, len(x), count)]
