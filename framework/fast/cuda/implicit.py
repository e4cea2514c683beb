"""Conv2d and ConvTranspose2d on a GPU without a matrix of patches (implicit GEMM).

A block of threads gathers the patches of its tile from the images while it multiplies them. That
moves only the images, but its products are not cuBLAS', which are faster with many kernels (see
`few_kernels` and docs/gpu.md).
"""

import numpy as np

from firstlight.fast.blocked.convolution import (
    BlockedConv2d,
    BlockedConvTranspose2d,
    BlockedSums,
)
from firstlight.fast.conditions import few_kernels, gpu_stored
from firstlight.fast.cuda.convolution import RoundedInput
from firstlight.fast.cuda.cupy_ops import add_column_sums, contiguous, rows_of, takes_sums
from firstlight.fast.cuda.kernel import launch, reals
from firstlight.fast.cuda.windows import geometry
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.window import Axis, Window
from firstlight.support.array import Array
from firstlight.support.forms import form

LINES, KERNELS, DEPTH = 128, 64, 16  # of a tile, as in product_tile.cuh
BLOCKS = 256  # that share the places of a weight gradient, about two on each multiprocessor


class ImplicitSums(BlockedSums):
    """The sums of both layers, by one kernel each."""

    def convolve(
        self, x: Array, w: Array, bias: Array | None, window: Window, groups: int
    ) -> Array:
        rows, columns = window.axes(x.shape[1:3])
        kernels, _, kw, channels = w.shape
        y = np.empty_like(x, order="C", shape=(len(x), rows.out, columns.out, kernels))
        kernels, size = kernels // groups, w[0].size
        w_steps = 0, kernels * size, size, kw * channels, channels, 1
        y_steps = 0, *_steps(y)
        _convolve(x, w, bias, y, rows, columns, groups, kernels, w_steps, y_steps, zeros=True)
        return y

    def input_gradient(
        self, dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int
    ) -> Array:
        rows, columns = window.axes(image)
        kernels, _, kw, channels = w.shape
        dx = np.empty_like(dy, order="C", shape=(len(dy), *image, groups * channels))
        size, (n, down, right) = w[0].size, _steps(dx)
        group = kernels // groups * size
        parts = [
            (on_rows, on_columns)
            for on_rows in rows.back(image[0])
            for on_columns in columns.back(image[1])
        ]
        if len(parts) < min(rows.stride, image[0]) * min(columns.stride, image[1]):
            dx[...] = 0  # pixels that no window sees
        for (ys, i, on_rows), (xs, j, on_columns) in parts:
            start = (i[0] * kw + j[0]) * channels  # of w, as of its first taps
            row, column = ((taps[-1] - taps[0]) // max(1, len(taps) - 1) for taps in (i, j))
            w_steps = start, group, 1, row * kw * channels, column * channels, size
            y_steps = ys.start * down + xs.start * right, n, ys.step * down, xs.step * right
            _convolve(dy, w, None, dx, on_rows, on_columns, groups, channels, w_steps, y_steps)
        return dx

    def add_weight_gradient(
        self, x: Array, dy: Array, window: Window, groups: int, out: Array
    ) -> None:
        add_gradients(x, dy, window, groups, out)

    def add_sums(self, dy: Array, out: Array) -> None:
        add_column_sums(rows_of(dy), out)


def add_gradients(
    x: Array, dy: Array, window: Window, groups: int, dw: Array, db: Array | None = None
) -> None:
    """Add dL/dW to ``dw`` (O, kh, kw, C / groups) and Σ dy to ``db`` (O,)."""
    x, dy = contiguous(x), contiguous(dy)
    axes, kernels, channels = window.axes(x.shape[1:3]), dy.shape[3] // groups, x.shape[3] // groups
    size, places = dw[0].size, dy.size // dy.shape[3]
    tiles = -(-size // LINES), -(-kernels // KERNELS)
    if not places:
        return
    outs = [dw] if db is None else [dw, db]
    chunk = -(-places // max(1, BLOCKS // (tiles[0] * tiles[1] * groups)))
    chunk = max(BLOCKS, -(-chunk // DEPTH) * DEPTH)
    chunks = -(-places // chunk)
    adds = chunks == 1 and all(takes_sums(out, x) for out in outs)
    pitch = sum(out.size for out in outs)
    at = dw, outs[-1]  # of the first part of dw and of db
    if not adds:
        parts = reals(x, (chunks, pitch))
        at = parts, parts.reshape(-1)[dw.size :]
    quads = _aligned(x, channels) + 2 * _aligned(dy, kernels)
    numbers = (*geometry(channels, x.shape[1:3], *axes), kernels, groups, chunk, pitch)
    arguments = (x, dy, *at, places, *numbers, int(db is not None), int(adds), quads)
    launch("weight_gradient", "weight_gradient", x, (*tiles, chunks * groups), *arguments)
    if not adds:
        add_column_sums(parts, *outs)


class _ImplicitConv2d(BlockedConv2d):
    sums = ImplicitSums()

    def backward(self, layer: Conv2d, dy: Array) -> Array | None:  # dy (N, oh, ow, O)
        (x,) = layer.saved()
        db = None if layer.bias is None else layer.bias.grad
        add_gradients(x, dy, layer.window, layer.groups, layer.weight.grad, db)
        if not layer.needs_dx:
            return None
        w, image = layer.weight.data, x.shape[1:3]
        return self.sums.input_gradient(dy, w, layer.window, image, layer.groups)


@form(Conv2d, when=[gpu_stored, few_kernels])
class ImplicitConv2d(RoundedInput, _ImplicitConv2d):
    """Multiply patches that are never stored; one kernel for dW and db."""


@form(ConvTranspose2d, when=[gpu_stored, few_kernels])
class ImplicitConvTranspose2d(RoundedInput, BlockedConvTranspose2d):
    """Multiply patches that are never stored."""

    sums = ImplicitSums()


def _convolve(
    x, w, bias, y, rows: Axis, columns: Axis, groups, kernels, w_steps, y_steps, zeros=False
):
    """Launch ``convolve``, which finds numbers of w and of y by their steps."""
    x, w = contiguous(x), contiguous(w)
    channels, places = x.shape[3] // groups, len(x) * rows.out * columns.out
    if not places:
        return
    grid = -(-places // LINES), -(-kernels // KERNELS), groups
    quads = _aligned(x, channels) * _aligned(w, channels)
    flags = int(bias is not None) + 2 * quads + 4 * zeros
    numbers = (*geometry(channels, x.shape[1:3], rows, columns), kernels, *w_steps, *y_steps)
    arguments = (x, w, w if bias is None else bias, y, places, *numbers)
    launch("implicit", "convolve", x, grid, *arguments, flags)


def _steps(images):
    """Return the numbers from one image, row and pixel of contiguous images to the next."""
    _, _, width, channels = images.shape
    return images[:1].size, width * channels, channels


def _aligned(x, channels):
    """Return 1 if the kernels may load four channels at once, else 0."""
    return int(channels % 4 == 0 and x.data.ptr % 16 == 0)
