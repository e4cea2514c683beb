"""Products of patches and kernels, a few samples at a time, for one group of channels.

With P(x) the matrix of patches (see `firstlight.fast.blocked.patches`) and W as (O, kh · kw · C)::

    y = P(x) Wᵀ        dWᵀ = P(x)ᵀ dy

For dx, each tap (i, j) of the kernel adds dy W_ij to the pixels that it saw, all windows at once.
That is one product and one addition per tap, on a few samples that stay in the cache. It is faster
than products of patches of dy, which hold each number kh · kw times.
"""

import numpy as np

from firstlight.fast.blocked.patches import over_chunks, patches, tiles
from firstlight.fast.blocked.scratch import scratch
from firstlight.nn.window import Axis
from firstlight.support.array import Array


def correlate(
    x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
) -> None:
    """Write P(x) kernels + bias into y (N, rows.out, columns.out, O), which may have gaps."""
    kernels = np.ascontiguousarray(kernels)  # (kh · kw · C, O)

    def multiply(start, stop):
        _correlate_chunk(x[start:stop], kernels, rows, columns, y[start:stop], bias)

    over_chunks(multiply, x, y.size * len(kernels))


def _correlate_chunk(x, kernels, rows, columns, y, bias):
    """Compute `correlate` for some samples, in this thread."""
    out = kernels.shape[1]
    line_bias = None if bias is None else np.tile(bias, columns.out)  # long runs add faster
    for samples, lines, matrix in patches(x, rows, columns, out):
        part = y[samples, lines]  # (n, lines, ow, O)
        whole = part if part.flags.c_contiguous else np.empty_like(y, order="C", shape=part.shape)
        np.matmul(matrix, kernels, out=whole.reshape(-1, out))
        if bias is not None:
            lines_of_y = whole.reshape(-1, columns.out * out)
            lines_of_y += line_bias
        if whole is not part:
            part[...] = whole


def input_gradient(dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array) -> None:
    """Write Σ_ij dy W_ij, at the pixels that tap (i, j) saw, into dx (N, H, W, C)."""
    kernels = np.ascontiguousarray(w.transpose(1, 2, 0, 3))  # (kh, kw, O, C)

    def add_up(start, stop):
        _input_gradient_of_chunk(dy[start:stop], kernels, rows, columns, dx[start:stop])

    over_chunks(add_up, dy, dy.size * w[0].size)


def _input_gradient_of_chunk(dy, kernels, rows, columns, dx):
    """Compute `input_gradient` for some samples: a product and an addition for each tap."""
    across = [columns.inside(j, dx.shape[2]) for j in range(columns.taps)]
    pixel_bytes = dy.itemsize * (dy.shape[3] + 2 * dx.shape[3])  # of dy, the share and dx
    for samples, lines in tiles(dy, pixel_bytes // 2):  # they fill the L2 cache
        part, images = dy[samples, lines], dx[samples]
        if lines.start == 0:
            images[...] = 0
        share = scratch("share", (*part.shape[:3], dx.shape[3]), dy)
        matrix, product = part.reshape(-1, dy.shape[3]), share.reshape(-1, dx.shape[3])
        for i in range(rows.taps):
            windows, ys = rows.part(lines).inside(i, dx.shape[1])
            for j, (seen, xs) in enumerate(across):
                np.matmul(matrix, kernels[i, j], out=product)
                images[:, ys, xs] += share[:, windows, seen]


def weight_gradient(x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
    """Return (P(x)ᵀ dy)ᵀ, of shape (O, kh · kw · C); the product with O columns is faster."""

    def add_up(start, stop):
        return _weight_gradient_of_chunk(x[start:stop], dy[start:stop], rows, columns)

    return sum(over_chunks(add_up, x, dy.size * rows.taps * columns.taps * x.shape[3])).T


def _weight_gradient_of_chunk(x, dy, rows, columns):
    """Return P(x)ᵀ dy, of shape (kh · kw · C, O)."""
    out, size = dy.shape[3], rows.taps * columns.taps * x.shape[3]
    dw = np.zeros_like(x, order="C", shape=(size, out))
    for samples, lines, matrix in patches(x, rows, columns, out):
        dw += matrix.T @ dy[samples, lines].reshape(-1, out)
    return dw
