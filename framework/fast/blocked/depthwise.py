"""Depthwise convolution: each channel is convolved with its own kernel only.

There is no matrix product: for each tap of the kernel, a line of the image times the weights of
its channels is added to a line of y::

    y[n, m, :] = Σ_ij x[n, m + i, j ... j + ow, :] · w[i, j, :]

einsum does that without a temporary, and is fast if its inner loop is long. So the inner loop is a
whole line of ow · C values, for which the weights are repeated.
"""

from collections.abc import Callable

import numpy as np

from firstlight.fast.blocked.patches import framed, over_chunks
from firstlight.nn.window import Axis
from firstlight.support.array import Array

FEW_SAMPLES = 4


def correlate(
    x: Array, w: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
) -> None:
    """Write x (N, H, W, C) under the kernels (C, kh, kw) + bias into y, which may have gaps."""
    repeated = np.tile(w.transpose(1, 2, 0), columns.out)  # (kh, kw, ow · C)
    repeated_bias = None if bias is None else np.tile(bias, columns.out)

    def multiply(start, stop):
        _correlate_chunk(x[start:stop], repeated, rows, columns, y[start:stop], repeated_bias)

    over_chunks(multiply, x, y.size * rows.taps * columns.taps)


def _correlate_chunk(x, repeated, rows, columns, y, bias):
    """Compute `correlate` for some samples, in this thread."""
    for samples, runs in _line_runs(x, rows, columns):
        lines = np.einsum("nmijq,ijq->nmq", runs, repeated)  # (n, oh, ow · C)
        if bias is not None:
            lines += bias
        y[samples] = lines.reshape(y[samples].shape)


def input_gradient(
    dy: Array,
    w: Array,
    rows: Axis,
    columns: Axis,
    dx: Array,
    write: Callable[..., None] = correlate,
) -> None:
    """Write dL/dx: convolutions of dy with the kernels rotated by 180°, see `Axis.back`.

    ``write`` is the `correlate` to use.
    """
    row_parts, column_parts = list(rows.back(dx.shape[1])), list(columns.back(dx.shape[2]))
    if len(row_parts) < rows.stride or len(column_parts) < columns.stride:
        dx[...] = 0  # pixels between the windows
    for ys, row_taps, row_axis in row_parts:
        for xs, column_taps, column_axis in column_parts:
            turned = w[:, row_taps][:, :, column_taps]
            write(dy, turned, row_axis, column_axis, dx[:, ys, xs])


def weight_gradient(x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
    """Return dL/dW (C, kh, kw): dW[c, i, j] = Σ x · dy over all pixels, x shifted by (i, j)."""

    def add_up(start, stop):
        dw = _weight_gradient_of_chunk(x[start:stop], dy[start:stop], rows, columns)
        return dw.reshape(rows.taps, columns.taps, columns.out, -1).sum(axis=2)

    return sum(over_chunks(add_up, x, dy.size * rows.taps * columns.taps)).transpose(2, 0, 1)


def _weight_gradient_of_chunk(x, dy, rows, columns):
    """Return dL/dW (kh, kw, ow · C), not yet summed over the positions of a line."""
    length = columns.out * x.shape[3]
    dw = np.zeros_like(x, order="C", shape=(rows.taps, columns.taps, length))
    for samples, runs in _line_runs(x, rows, columns):
        part = dy[samples].reshape(*runs.shape[:2], -1)  # (n, oh, ow · C)
        dw += np.einsum("nmijq,nmq->ijq", runs, part)
    return dw


def _line_runs(x, rows, columns):
    """Yield ``(samples, runs)``, runs (n, oh, kh, kw, ow · C): the line that each tap sees."""
    seen = framed(x, rows, columns)
    for first in range(0, len(x), FEW_SAMPLES):
        samples = slice(first, min(first + FEW_SAMPLES, len(x)))
        view = seen[samples]
        count, lines, places, _, _, channels = view.shape
        lines_of_taps = view.transpose(0, 1, 3, 4, 2, 5)  # (n, oh, kh, kw, ow, C)
        runs = lines_of_taps.reshape(count, lines, rows.taps, columns.taps, places * channels)
        yield samples, runs
