"""Depthwise convolution, a chunk of the batch in one compiled call.

Lines of the image are multiplied where they lie, and only where a tap is inside of the image: there
is no frame of zeros. 3 × 3 on 64 × 28 × 28 × 64, one core, forward: 5.3 ms, by
einsum 8.5.
"""

import numpy as np
from numba import njit


def correlate_some(x, repeated, rows, columns, y, bias):
    """Write x (N, H, W, C) under the kernels (kh, kw, ow · C) + bias (ow · C) into y."""
    whole = y if y.flags.c_contiguous else np.empty(y.shape, y.dtype)
    lines = whole.reshape(*whole.shape[:2], -1)
    bias = np.zeros(lines.shape[2], y.dtype) if bias is None else bias
    _correlate(np.ascontiguousarray(x), repeated, bias, tuple(rows), tuple(columns), lines)
    if whole is not y:
        y[...] = whole


def gradient_of_some(x, dy, rows, columns):
    """Return dL/dW (kh, kw, ow · C), not yet summed over the places of a line."""
    dw = np.zeros((rows.taps, columns.taps, columns.out * x.shape[3]), x.dtype)
    dy = np.ascontiguousarray(dy).reshape(*dy.shape[:2], -1)
    _gradient(np.ascontiguousarray(x), dy, tuple(rows), tuple(columns), dw)
    return dw


@njit(nogil=True, cache=True)
def _correlate(x, w, bias, rows, columns, y):
    for n in range(len(x)):
        for m in range(y.shape[1]):
            y[n, m] = bias
            _multiply(x[n], w, m, rows, columns, y[n, m], False)


@njit(nogil=True, cache=True)
def _gradient(x, dy, rows, columns, dw):
    for n in range(len(x)):
        for m in range(dy.shape[1]):
            _multiply(x[n], dw, m, rows, columns, dy[n, m], True)


@njit(nogil=True, cache=True)
def _multiply(image, w, m, rows, columns, line_of_y, into_w):
    """Add what line m of y sees times w to this line; or ``into_w``, times the line to w."""
    above, kh, step_down, gap_down, _ = rows  # before, taps, stride, dilation, out
    for i in range(kh):
        line = m * step_down + i * gap_down - above
        if 0 <= line < len(image):
            for j in range(columns[1]):
                sums, factors = (w[i, j], line_of_y) if into_w else (line_of_y, w[i, j])
                start, stop, first, run, step = _runs(columns, j, image[line])
                for at in range(start, stop, run):
                    seen = image[line].reshape(-1)[first:]
                    out, factor = sums[at : at + run], factors[at : at + run]
                    for q in range(run):
                        out[q] += seen[q] * factor[q]
                    first += step


@njit(nogil=True, cache=True)
def _runs(columns, tap, line):
    """Return which part of a line of y a tap reaches, in which runs, and what they see.

    start ... stop of the numbers of y's line, the first number of the image's line that is seen,
    the length of a run, and how far to go in the image's line for the next run.
    """
    left, _, step, gap, width = columns
    length, channels = line.shape
    offset = tap * gap - left
    first = min(max(0, -(offset // step)), width)
    stop = max(first, min(width, (length - 1 - offset) // step + 1))
    run = max(1, (stop - first) if step == 1 else 1) * channels
    return (
        first * channels,
        stop * channels,
        (first * step + offset) * channels,
        run,
        step * channels,
    )
