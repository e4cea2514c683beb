"""Loops over patches: the compiled part of `firstlight.fast.compiled.winograd`.

Patch (l, c) has the 4 × 4 pixels of x's frame, and the 2 × 2 pixels of dy's, from (2 l, 2 c) on. A
few patches at a time are transformed and multiplied, so that all steps find them in the cache.
"""

from typing import NamedTuple

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.frame import Frame, Images, fill
from firstlight.fast.compiled.product_tile import copy_line, tile_of
from firstlight.fast.compiled.tiles import WIDE
from firstlight.fast.compiled.transform import LANES, transform_of
from firstlight.support.array import Array

PATCHES = 48  # at a time
POSITIONS = 16  # of a transformed patch
CENTRE = 5  # Aᵀ · A adds position (1, 1) once to each pixel of y
BYTES, LINE = 4, 4 * LANES
ROWS = 8 if WIDE == 32 else 4  # of a tile: its sums are 16 vectors, or 8 with AVX2

A = np.float32([[1, 0], [1, 1], [1, -1], [0, 1]])
B = np.float32([[1, 0, 0, 0], [0, 1, -1, -1], [-1, 1, 1, 0], [0, 0, 0, 1]])
G = np.float32([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

_of_x, _of_dy, _of_kernel = map(transform_of, (B.T, A, G))
_to_y, _to_kernel = map(transform_of, (A.T, G.T))
_multiply = tile_of(ROWS, WIDE)


class Correlation(NamedTuple):
    """A convolution.

    Attributes
    ----------
    frame : Frame
        Its rows and columns are those of the patches: 4 taps, stride 2.
    x, y : Images
    weights : array, shape (16, more than C · O)
        From `transform_kernels`.
    bias : array, shape (O,)
    seen : array, shape (16, more than patches · C)
        Memory for the transformed patches.
    sums : array, shape (16, more than patches · `WIDE`)
        Memory for their products with some kernels.
    edge : array
        Memory for 2 × 2 pixels of y.
    """

    frame: Frame
    x: Images
    y: Images
    weights: Array
    bias: Array
    seen: Array
    sums: Array
    edge: Array


class WeightGradient(NamedTuple):
    """The gradient by the transformed kernels.

    Attributes
    ----------
    frame, dy_frame : Frame
    x, dy : Images
    seen, factors : array, shape (16, more than patches · C, and more than patches · O)
        Memory for the transformed patches of x and of dy.
    sums : array, shape (16, O · C)
    """

    frame: Frame
    dy_frame: Frame
    x: Images
    dy: Images
    seen: Array
    factors: Array
    sums: Array


@cached_njit(error_model="numpy")
def transform_kernels(packed: Array, channels: int, out: int, weights: Array) -> None:
    """Write G w Gᵀ of kernels from `tiles.pack_kernels` into weights (16, more than C · O)."""
    step, pixel = BYTES * weights.shape[1], BYTES * channels * WIDE
    for first in range(0, channels * out, channels * WIDE):
        for number in range(first, first + channels * WIDE, LANES):
            source = packed.ctypes.data + BYTES * (8 * first + number)
            to = weights.ctypes.data + BYTES * number
            _of_kernel(source, 3 * pixel, pixel, to, 4 * step, step)


@cached_njit(error_model="numpy")
def correlate(job: Correlation, begin: int, stop: int) -> None:
    """Compute samples ``begin`` to ``stop`` of y."""
    frame, channels, out = job.frame, job.x.shape[3], job.y.shape[3]
    places = np.empty((PATCHES, 3), np.int64)
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, frame.rows.out, frame.lines):
            samples, lines = fill(frame, job.x, sample, stop, top)
            total = samples * lines * frame.columns.out
            for first in range(0, total, PATCHES):
                count = min(PATCHES, total - first)
                _locate(frame.columns.out, lines, first, places)
                _transform(False, frame.memory, places, count, job.seen)
                for o in range(0, out, WIDE):
                    _multiply_patches(job, channels, count, o)
                    _write(job, sample, top, places, count, o)


@cached_njit(error_model="numpy")
def _multiply_patches(job, channels, count, o):
    """Set the sums to patches · weights + bias, for kernels o, o + 1, ..., position by position."""
    seen, weights, sums = job.seen.ctypes.data, job.weights.ctypes.data, job.sums.ctypes.data
    weights += BYTES * o * channels
    for t in range(POSITIONS):
        if t == CENTRE:
            bias = job.bias.ctypes.data + BYTES * o
            for k in range(count):
                for lane in range(0, BYTES * WIDE, LINE):
                    copy_line(bias + lane, sums + BYTES * k * WIDE + lane)
        for k in range(0, count, ROWS):
            _multiply(
                *(seen + BYTES * k * channels, BYTES * channels, BYTES),
                *(weights, BYTES * WIDE, channels),
                *(sums + BYTES * k * WIDE, BYTES * WIDE, t == CENTRE),
            )
        seen += BYTES * job.seen.shape[1]
        weights += BYTES * job.weights.shape[1]
        sums += BYTES * job.sums.shape[1]


@cached_njit(error_model="numpy")
def add_weight_gradient(job: WeightGradient, begin: int, stop: int) -> None:
    """Add Σ (A dy Aᵀ) ∘ (Bᵀ x B) of samples ``begin`` to ``stop`` to the sums."""
    frame, dy_frame = job.frame, job.dy_frame
    places = np.empty((PATCHES, 3), np.int64)
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, frame.rows.out, frame.lines):
            samples, lines = fill(frame, job.x, sample, stop, top)
            fill(dy_frame, job.dy, sample, stop, top)
            total = samples * lines * frame.columns.out
            for first in range(0, total, PATCHES):
                count = min(PATCHES, total - first)
                _locate(frame.columns.out, lines, first, places)
                _transform(False, frame.memory, places, count, job.seen)
                _transform(True, dy_frame.memory, places, count, job.factors)
                _add_products(job, count)


@cached_njit(error_model="numpy")
def transform_sums(sums: Array, dw: Array) -> None:
    """Write Gᵀ · G of sums (16, O · C) into dW (9, O · C)."""
    step, to_step = BYTES * sums.shape[1], BYTES * dw.shape[1]
    for number in range(0, step, LINE):
        source, to = sums.ctypes.data + number, dw.ctypes.data + number
        _to_kernel(source, 4 * step, step, to, 3 * to_step, to_step)


@cached_njit(error_model="numpy")
def _add_products(job, count):
    """Add patches of dyᵀ · patches of x to the sums, position by position."""
    channels, out = job.x.shape[3], job.dy.shape[3]
    seen, factors, sums = job.seen.ctypes.data, job.factors.ctypes.data, job.sums.ctypes.data
    for _ in range(POSITIONS):
        for c in range(0, channels, WIDE):
            for o in range(0, out, ROWS):
                _multiply(
                    *(factors + BYTES * o, BYTES, BYTES * out),
                    *(seen + BYTES * c, BYTES * channels, count),
                    *(sums + BYTES * (o * channels + c), BYTES * channels, True),
                )
        seen += BYTES * job.seen.shape[1]
        factors += BYTES * job.factors.shape[1]
        sums += BYTES * job.sums.shape[1]


@cached_njit()
def _locate(columns, lines, first, places):
    """Write sample, line and column of patches in the frame, from number ``first`` on."""
    line, column = divmod(first, columns)
    sample, line = divmod(line, lines)
    for place in places:
        place[0], place[1], place[2] = sample, line, column
        column += 1
        if column == columns:
            column, line = 0, line + 1
        if line == lines:
            line, sample = 0, sample + 1


@cached_njit(error_model="numpy")
def _transform(is_dy, memory, places, count, to):
    """Write the transformed patches at the first places of a frame."""
    _, lines, columns, channels = memory.shape
    pixel, step = BYTES * channels, BYTES * to.shape[1]
    for index in range(count):
        sample, line, column = places[index]
        source = memory.ctypes.data + ((sample * lines + 2 * line) * columns + 2 * column) * pixel
        at = to.ctypes.data + index * pixel
        for channel in range(0, pixel, LINE):
            if is_dy:
                _of_dy(source + channel, columns * pixel, pixel, at + channel, 4 * step, step)
            else:
                _of_x(source + channel, columns * pixel, pixel, at + channel, 4 * step, step)


@cached_njit(error_model="numpy")
def _write(job, sample, top, places, count, o):
    """Write 2 × 2 pixels of y of patches and kernels; at an edge, those that exist."""
    _, lines, columns, _ = job.y.shape
    sample_step, row, pixel, _ = job.y.steps
    step, edge = BYTES * job.sums.shape[1], job.edge.ctypes.data
    for index in range(count):
        number, line, column = places[index]
        line, column = 2 * (top + line), 2 * column
        start = (sample + number) * sample_step + line * row + column * pixel + o
        down, right = min(2, lines - line), min(2, columns - column)
        for lane in range(0, WIDE, LANES):
            source = job.sums.ctypes.data + BYTES * (index * WIDE + lane)
            to = job.y.numbers.ctypes.data + BYTES * (start + lane)
            if down == right == 2:
                _to_y(source, 4 * step, step, to, BYTES * row, BYTES * pixel)
            else:
                _to_y(source, 4 * step, step, edge, 2 * LINE, LINE)
                for i in range(down):
                    for j in range(right):
                        copy_line(edge + (2 * i + j) * LINE, to + BYTES * (i * row + j * pixel))
