"""Convolutions tile by tile, without patches: each tile reads its windows from a padded frame.

dx is the same convolution, of dy with rotated kernels (`Axis.back`). dW is made of such tiles too:
6 numbers of a window by 16 channels, summed over the positions of the window. This file splits the
batch and makes the tables of offsets; the loops are in `firstlight.fast.compiled.tiles`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from firstlight.fast.blocked.parallel import spread
from firstlight.fast.blocked.patches import CHUNKS, over_chunks
from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.compiled import tiles
from firstlight.fast.compiled.frame import Frame, as_numbers, layout, offsets, table
from firstlight.fast.window import Axis
from firstlight.support.array import Array

LONG_SUM = 192  # positions whose contribution to dW is summed in registers
LARGE = 2**17  # numbers of dW above which each thread makes some of its rows


def correlate(
    x: Array,
    kernels: Array,
    rows: Axis,
    columns: Axis,
    y: Array,
    bias: Array | None = None,
    by_channel: bool = False,
) -> None:
    """Write P(x) kernels + bias into y (N, rows.out, columns.out, O), which may have gaps."""
    chunk = correlation(x, kernels, rows, columns, y, bias, by_channel)
    over_chunks(chunk, x, y.size * len(kernels))


def input_gradient(dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array) -> None:
    """Write Σ_ij dy W_ij, at the pixels that tap (i, j) saw, into dx (N, H, W, C)."""
    row_parts, column_parts = list(rows.back(dx.shape[1])), list(columns.back(dx.shape[2]))
    if len(row_parts) < rows.stride or len(column_parts) < columns.stride:
        dx[...] = 0  # pixels between the windows
    parts = []
    for ys, row_taps, row_axis in row_parts:
        for xs, column_taps, column_axis in column_parts:
            turned = w[:, row_taps][:, :, column_taps].transpose(1, 2, 0, 3)  # (i, j, O, C)
            kernels = turned.reshape(-1, w.shape[3])
            parts.append(correlation(dy, kernels, row_axis, column_axis, dx[:, ys, xs]))

    def chunk(start, stop):
        for part in parts:
            part(start, stop)

    over_chunks(chunk, dy, dy.size * w[0].size)


def correlation(
    x: Array,
    kernels: Array,
    rows: Axis,
    columns: Axis,
    y: Array,
    bias: Array | None = None,
    by_channel: bool = False,
) -> Callable[[int, int], None]:
    """Return a function ``f(begin, stop)`` that computes `correlate` for some samples."""
    out = y.shape[3]
    whole = tiles.filled(out)
    weights, start = np.empty(len(kernels) * whole, x.dtype), np.zeros(whole, x.dtype)
    tiles.arrange(kernels, weights)
    start[:out] = 0 if bias is None else bias
    images, results = as_numbers(x), as_numbers(y)
    channels = whole if by_channel else x.shape[3]
    steps = results.steps[:3] if whole == out else None

    def chunk(begin, stop):
        plan = _plan(stop - begin, rows, columns, channels, whole, steps, by_channel)
        memory, part = scratch("frame", plan.memory, x), scratch("part", (plan.part,), x)
        frame = Frame(tuple(rows), tuple(columns), plan.lines, memory)
        tiles.correlate(
            *(frame, images, begin, stop, plan.taps, plan.terms, weights, start),
            *(plan.x_at, plan.y_at, part, results, by_channel),
        )

    return chunk


class _Plan(NamedTuple):
    """Arguments of `tiles.correlate` for a chunk; ``memory`` is the shape of a frame's memory."""

    lines: int
    memory: tuple
    taps: np.ndarray
    terms: int
    x_at: tuple
    y_at: tuple
    part: int


@lru_cache(maxsize=128)
def _plan(count, rows, columns, channels, whole, steps, by_channel):
    lines, memory = layout(count, rows, columns, channels)
    taps, terms = {"rows": rows.taps, "columns": columns.taps}, 1 if by_channel else channels
    if columns.dilation == 1 and not by_channel:  # the pixels on a line of a window are contiguous
        taps, terms = {"rows": rows.taps}, columns.taps * channels
    taps = table(memory, rows, columns, **taps)
    samples, width, multiple = memory[0], columns.out, tiles.multiple_for(whole)
    part = 0 if steps else samples * lines * width * whole
    steps = steps or (lines * width * whole, width * whole, whole)
    x_at, y_at = [], []
    for n, m in ((samples, lines), (_rest(count, samples), _rest(rows.out, lines))):
        x_at.append(table(memory, rows, columns, multiple, samples=n, lines=m, places=width))
        y_at.append(offsets((n, m, width), steps, multiple))
    return _Plan(lines, memory, taps, terms, tuple(x_at), tuple(y_at), part)


def _rest(count, size):
    """Return the size of the last part of a count that is split into parts of ``size``."""
    return (count - 1) % size + 1


def weight_gradient(
    x: Array, dy: Array, rows: Axis, columns: Axis, by_channel: bool = False
) -> Array:
    """Return (P(x)ᵀ dy)ᵀ, of shape (O, kh · kw · C), or with ``by_channel`` (C, kh · kw)."""
    out, whole = dy.shape[3], tiles.filled(dy.shape[3])
    size = rows.taps * columns.taps * (1 if by_channel else x.shape[3])
    channels, multiple = whole if by_channel else x.shape[3], tiles.multiple_for(whole)
    images, factors, most = as_numbers(x), as_numbers(dy), max(1, LONG_SUM // columns.out)

    def chunk(begin, stop, terms=slice(None)):
        plan = _gradient_plan(stop - begin, rows, columns, channels, multiple, by_channel)
        lines, shape, all_terms, lines_at = plan
        frame = Frame(tuple(rows), tuple(columns), lines, scratch("frame", shape, x))
        part = scratch("part", (most * columns.out * tiles.WIDE,), x)
        dw = np.zeros((len(all_terms[terms]), whole), x.dtype)
        tiles.gradient(
            *(frame, images, begin, stop, all_terms[terms], lines_at, columns.stride * channels),
            *(most, part, factors, dw, by_channel),
        )
        return dw

    if size * whole < LARGE:
        return sum(over_chunks(chunk, x, dy.size * size))[:size, :out].T
    dw = np.empty((out, size), x.dtype)

    def rows_chunk(first, stop):
        rows_of_dw = chunk(0, len(x), slice(first, stop))[: size - first, :out]
        dw[:, first:stop] = rows_of_dw.T

    block = -(-size // (CHUNKS * multiple)) * multiple
    spread(rows_chunk, -(-size // multiple) * multiple, block)
    return dw


@lru_cache(maxsize=128)
def _gradient_plan(count, rows, columns, channels, multiple, by_channel):
    lines, memory = layout(count, rows, columns, channels)
    counts = {"rows": rows.taps, "columns": columns.taps}
    counts |= {} if by_channel else {"channels": channels}
    terms = table(memory, rows, columns, multiple, **counts)
    return lines, memory, terms, table(memory, rows, columns, samples=memory[0], lines=lines)
