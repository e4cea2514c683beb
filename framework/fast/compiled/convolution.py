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
from firstlight.fast.compiled.frame import (
    Frame,
    as_images,
    frame_layout,
    offsets,
    window_offsets,
)
from firstlight.nn.window import Axis
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
    filled = tiles.filled(out)  # channels, with those that fill tiles
    weights, start = np.empty(len(kernels) * filled, x.dtype), np.zeros(filled, x.dtype)
    tiles.pack_kernels(kernels, weights)
    start[:out] = 0 if bias is None else bias
    images, results = as_images(x), as_images(y)
    channels = filled if by_channel else x.shape[3]
    steps = results.steps[:3] if filled == out else None

    def chunk(begin, stop):
        plan = _plan(stop - begin, rows, columns, channels, filled, steps, by_channel)
        job = tiles.Correlation(
            frame=Frame(rows, columns, plan.lines, scratch("frame", plan.memory, x)),
            x=images,
            y=results,
            window_at=plan.window_at,
            sum_at=plan.sum_at,
            number_at=plan.number_at,
            weights=weights,
            bias=start,
            part=scratch("part", (plan.part,), x),
            strips=tiles.strips(filled),
            by_channel=by_channel,
        )
        tiles.correlate(job, begin, stop)

    return chunk


class _Plan(NamedTuple):
    """Parts of a `tiles.Correlation`; ``memory`` and ``part`` are the sizes of its arrays."""

    lines: int
    memory: tuple
    window_at: tuple
    sum_at: tuple
    number_at: np.ndarray
    part: int


@lru_cache(maxsize=128)
def _plan(count, rows, columns, channels, filled, steps, by_channel):
    """Return the plan of a correlation; ``steps`` are those of y, or None to use a part."""
    lines, memory = frame_layout(count, rows, columns, channels)
    samples, width, multiple = memory[0], columns.out, tiles.filling_windows(filled)
    part = 0 if steps else samples * lines * width * filled
    steps = steps or (lines * width * filled, width * filled, filled)
    window_at, sum_at = [], []
    for n, m in ((samples, lines), (_rest(count, samples), _rest(rows.out, lines))):
        places = {"samples": n, "lines": m, "places": width}
        window_at.append(window_offsets(memory, rows, columns, multiple, **places))
        sum_at.append(offsets((n, m, width), steps, multiple))
    numbers = {"rows": rows.taps, "columns": columns.taps}
    numbers |= {} if by_channel else {"channels": channels}
    number_at = window_offsets(memory, rows, columns, **numbers)
    return _Plan(lines, memory, tuple(window_at), tuple(sum_at), number_at, part)


def _rest(count, size):
    """Return the size of the last part of a count that is split into parts of ``size``."""
    return (count - 1) % size + 1


def weight_gradient(
    x: Array, dy: Array, rows: Axis, columns: Axis, by_channel: bool = False
) -> Array:
    """Return (P(x)ᵀ dy)ᵀ, of shape (O, kh · kw · C), or with ``by_channel`` (C, kh · kw)."""
    out, filled = dy.shape[3], tiles.filled(dy.shape[3])
    size = rows.taps * columns.taps * (1 if by_channel else x.shape[3])
    channels, multiple = filled if by_channel else x.shape[3], tiles.filling_windows(filled)
    images, factors, lines = as_images(x), as_images(dy), max(1, LONG_SUM // columns.out)

    def chunk(begin, stop, entries=slice(None)):
        plan = _gradient_plan(stop - begin, rows, columns, channels, multiple, by_channel)
        job = tiles.WeightGradient(
            frame=Frame(rows, columns, plan.lines, scratch("frame", plan.memory, x)),
            x=images,
            dy=factors,
            entry_at=plan.entry_at[entries],
            window_at=plan.window_at,
            lines=lines,
            part=scratch("part", (lines * columns.out * tiles.WIDE,), x),
            strips=tiles.strips(filled),
            by_channel=by_channel,
        )
        dw = np.zeros((len(job.entry_at), filled), x.dtype)
        tiles.add_weight_gradient(job, begin, stop, dw)
        return dw

    if size * filled < LARGE:
        return sum(over_chunks(chunk, x, dy.size * size))[:size, :out].T
    dw = np.empty((out, size), x.dtype)

    def rows_chunk(first, stop):
        rows_of_dw = chunk(0, len(x), slice(first, stop))[: size - first, :out]
        dw[:, first:stop] = rows_of_dw.T

    block = -(-size // (CHUNKS * multiple)) * multiple
    spread(rows_chunk, -(-size // multiple) * multiple, block)
    return dw


class _GradientPlan(NamedTuple):
    """Parts of a `tiles.WeightGradient`; ``memory`` is the shape of its frame's."""

    lines: int
    memory: tuple
    entry_at: np.ndarray
    window_at: np.ndarray


@lru_cache(maxsize=128)
def _gradient_plan(count, rows, columns, channels, multiple, by_channel):
    lines, memory = frame_layout(count, rows, columns, channels)
    counts = {"rows": rows.taps, "columns": columns.taps}
    counts |= {} if by_channel else {"channels": channels}
    entry_at = window_offsets(memory, rows, columns, multiple, **counts)
    places = {"samples": memory[0], "lines": lines, "places": columns.out}
    window_at = window_offsets(memory, rows, columns, **places)
    return _GradientPlan(lines, memory, entry_at, window_at)
