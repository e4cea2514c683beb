"""Convolution and pooling on a GPU; see `firstlight.fast.cuda.cupy_ops`.

A convolution is a product of patches and kernels, for as many samples at a time as have patches
that fit in the GPU's L2 cache. Groups are separate convolutions.
"""

import math

import numpy as np

from firstlight.fast.blocked import pooling
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.gemm import matmul
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.fast.window import Window
from firstlight.support.array import Array

PATCH_BYTES = 24 << 20  # of a matrix of patches: half of an H100's L2 cache
PLACES = 256  # most positions in a window for the kernels that store one in a byte


def conv2d(x: Array, w: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
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


def conv2d_dw(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    rows, columns = window.axes(x.shape[1:3])
    out, size = dy.shape[3], rows.taps * columns.taps * (x.shape[3] // groups)
    dw = np.zeros_like(x, order="C", shape=(out, size))
    for of_x, of_y in _groups(groups, x.shape[3], out):
        for samples, matrix in _patches(x[..., of_x], rows, columns):
            part = contiguous(dy[samples, :, :, of_y])
            part = part.reshape(-1, part.shape[3])  # (places, O)
            matmul(part.T, matrix, out=dw[of_y], accumulate=True)
    return dw.reshape(out, rows.taps, columns.taps, -1)


def conv2d_dx(
    dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int = 1
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
            numbers = (*_geometry(channels, image, rows, columns), given.size)
            launch("convolution", "col2im", dx, blocks_for(given.size), matrix, given, *numbers)
            dx[samples, :, :, of_x] = given
    return dx


def max_pool2d(x: Array, window: Window) -> tuple[Array, Array]:
    if math.prod(window.kernel) > PLACES:
        return pooling.max_pool2d(x, window)
    rows, columns = window.axes(x.shape[1:3])
    x = contiguous(x)
    shape = (len(x), rows.out, columns.out, x.shape[3])
    y = np.empty_like(x, order="C", shape=shape)
    place = np.empty_like(x, order="C", shape=shape, dtype="uint8")
    if y.size:
        numbers = (*_geometry(x.shape[3], x.shape[1:3], rows, columns), y.size)
        launch("pooling", "max_pool", x, blocks_for(y.size), x, y, place, *numbers)
    return y, place


def max_pool2d_dx(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
    if math.prod(window.kernel) > PLACES:
        return pooling.max_pool2d_dx(dy, place, window, image)
    rows, columns = window.axes(image)
    dx = np.empty_like(dy, order="C", shape=(len(dy), *image, dy.shape[3]))
    if dx.size:
        numbers = (*_geometry(dy.shape[3], image, rows, columns), dx.size)
        launch(
            "pooling", "max_pool_dx", dx, blocks_for(dx.size), contiguous(dy), place, dx, *numbers
        )
    return dx


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
        numbers = (*_geometry(x.shape[3], x.shape[1:3], rows, columns), matrix.size)
        launch("convolution", "im2col", x, blocks_for(matrix.size), part, matrix, *numbers)
        yield samples, matrix


def _sample_slices(x, rows, columns, size):
    count = max(1, PATCH_BYTES // (rows.out * columns.out * size * x.itemsize))
    return [slice(first, min(first + count, len(x))) for first in range(0, len(x), count)]


def _geometry(channels, image, *axes):
    """Return the numbers from which the kernels compute the position of windows."""
    numbers = [channels]
    for size, axis in zip(image, axes, strict=True):
        numbers += [size, axis.out, axis.taps, axis.stride, axis.dilation, axis.before]
    return numbers
