"""Loops over tiles: the compiled part of a convolution, for a chunk of the batch.

Channels are processed 16 at a time, or 8 if no more are left; missing ones are 0. With
``by_channel``, each kernel has one channel and sees only the channel of x with its number.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from firstlight.fast.compiled.frame import Frame, Images, copy, fill
from firstlight.fast.compiled.tile import tile_of
from firstlight.support.array import Array

WIDE, WIDE_PLACES = 16, 6  # channels and places of a tile
NARROW, NARROW_PLACES = 8, 8

_wide, _narrow = tile_of(WIDE_PLACES, WIDE), tile_of(NARROW_PLACES, NARROW)
_wide_by_channel = tile_of(WIDE_PLACES, WIDE, by_channel=True)
_narrow_by_channel = tile_of(NARROW_PLACES, NARROW, by_channel=True)


def filled(channels: int) -> int:
    """Round a number of channels up to one that fills tiles."""
    return -(-channels // NARROW) * NARROW


def multiple_for(channels: int) -> int:
    """Return the number whose multiples are numbers of positions that fill tiles."""
    wide, narrow = divmod(filled(channels), WIDE)
    return math.lcm(WIDE_PLACES if wide else 1, NARROW_PLACES if narrow else 1)


@njit(nogil=True, cache=True)
def arrange(kernels: Array, weights: Array) -> None:
    """Write kernels (K, O) in the order in which tiles read them: K rows of 16 at a time."""
    size, out = kernels.shape
    whole = len(weights) // size
    for first in range(0, whole, WIDE):
        width = min(WIDE, whole - first)
        block = weights[first * size :]
        for k in range(size):
            for o in range(width):
                block[k * width + o] = kernels[k, first + o] if first + o < out else 0


@njit(nogil=True, cache=True)
def correlate(
    frame: Frame,
    x: Images,
    begin: int,
    stop: int,
    taps: Array,
    terms: Any,
    weights: Array,
    bias: Array,
    x_at: tuple[Array, Array],
    y_at: tuple[Array, Array],
    part: Array,
    y: Images,
    by_channel: bool,
) -> None:
    """Write samples ``begin`` to ``stop`` of y = P(x) kernels + bias.

    Parameters
    ----------
    frame : Frame
    x, y : Images
    taps : array of int64
        Offsets of the taps of a window; each has ``terms`` consecutive numbers.
    weights, bias : array
        From `arrange`; their channels fill tiles.
    x_at, y_at : (array, array)
        Offsets of the windows in a frame's memory and in y: for a whole frame, and for the last.
    part : array
        Memory for the part of y of a frame if its channels do not fill tiles.
    """
    memory, (_, height, _, out), whole = frame.memory.reshape(-1), y.shape, len(bias)
    size = len(taps) * terms
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, height, frame.lines):
            samples, lines = fill(frame, x, sample, stop, top, height)
            last = 1 if samples < len(frame.memory) or lines < frame.lines else 0
            first = sample * y.steps[0] + top * y.steps[1]
            target = y.numbers[first:] if whole == out else part
            for o in range(0, whole, WIDE):
                seen = memory[o:] if by_channel else memory
                channels = min(WIDE, whole - o)
                _write(
                    *(seen, x_at[last], taps, terms, weights[o * size :], bias[o:], channels),
                    *(target[o:], y_at[last], by_channel),
                )
            if whole > out:
                _leave_out(part, whole, y, first, samples, lines)


@njit(nogil=True, cache=True)
def _write(x, x_at, taps, terms, w, bias, channels, y, y_at, by_channel):
    same = np.zeros(NARROW_PLACES, np.int64)
    for p in range(0, len(x_at), WIDE_PLACES if channels == WIDE else NARROW_PLACES):
        seen, to = x_at[p:], y_at[p:]
        if channels == WIDE and by_channel:
            _wide_by_channel(x, seen, taps, terms, 1, w, WIDE, bias, same, y, to)
        elif channels == WIDE:
            _wide(x, seen, taps, terms, 1, w, WIDE, bias, same, y, to)
        elif by_channel:
            _narrow_by_channel(x, seen, taps, terms, 1, w, NARROW, bias, same, y, to)
        else:
            _narrow(x, seen, taps, terms, 1, w, NARROW, bias, same, y, to)


@njit(nogil=True, cache=True)
def _leave_out(part, whole, y, first, samples, lines):
    """Copy the channels that y has from a part into y, from number ``first`` on."""
    _, _, width, out = y.shape
    at = 0
    for sample in range(samples):
        for line in range(lines):
            for place in range(width):
                to = first + sample * y.steps[0] + line * y.steps[1] + place * y.steps[2]
                for o in range(out):
                    y.numbers[to + o] = part[at + o]
                at += whole


@njit(nogil=True, cache=True)
def gradient(
    frame: Frame,
    x: Images,
    begin: int,
    stop: int,
    terms: Any,
    lines_at: Array,
    step: int,
    most: int,
    part: Array,
    dy: Images,
    dw: Array,
    by_channel: bool,
) -> None:
    """Add P(x)ᵀ dy of samples ``begin`` to ``stop`` to dw.

    Parameters
    ----------
    frame : Frame
    x, dy : Images
    terms : array of int64
        Offsets of the numbers of a window, one for each row of dw.
    lines_at : array of int64
        Offset of the first window of each line of a frame; the next ones are ``step`` apart.
    most : int
        Lines that are summed at a time; `part` is memory for 16 channels of as many lines of dy.
    dw : array, shape (terms, channels that fill tiles)
    """
    memory, (_, height, width, _), whole = frame.memory.reshape(-1), dy.shape, dw.shape[1]
    sums = dw.reshape(-1)
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, height, frame.lines):
            samples, lines = fill(frame, x, sample, stop, top, height)
            for line in range(0, samples * lines, most):
                starts = lines_at[line : min(line + most, samples * lines)]
                for o in range(0, whole, WIDE):
                    seen = memory[o:] if by_channel else memory
                    channels = min(WIDE, whole - o)
                    for index in range(len(starts)):
                        number, down = divmod(line + index, lines)
                        _take(dy, sample + number, top + down, o, channels, part, index * width)
                    _add(
                        *(seen, terms, starts, width, step, part, channels, sums[o:], whole),
                        by_channel,
                    )


@njit(nogil=True, cache=True)
def _take(dy, sample, line, o, channels, part, place):
    """Copy channels of a line of dy, from number ``o`` on, into a part from a position on."""
    _, _, width, out = dy.shape
    first = sample * dy.steps[0] + line * dy.steps[1] + o
    for index in range(width):
        seen, to = dy.numbers[first + index * dy.steps[2] :], part[(place + index) * channels :]
        if o + WIDE <= out:
            copy(to.ctypes, seen.ctypes, 4 * WIDE)
        else:
            for c in range(channels):
                to[c] = seen[c] if o + c < out else 0


@njit(nogil=True, cache=True)
def _add(x, terms, lines_at, width, step, dy, channels, dw, whole, by_channel):
    to = np.arange(NARROW_PLACES) * whole
    for k in range(0, len(terms), WIDE_PLACES if channels == WIDE else NARROW_PLACES):
        seen, sums = terms[k:], dw[k * whole :]
        if channels == WIDE and by_channel:
            _wide_by_channel(x, seen, lines_at, width, step, dy, WIDE, sums, to, sums, to)
        elif channels == WIDE:
            _wide(x, seen, lines_at, width, step, dy, WIDE, sums, to, sums, to)
        elif by_channel:
            _narrow_by_channel(x, seen, lines_at, width, step, dy, NARROW, sums, to, sums, to)
        else:
            _narrow(x, seen, lines_at, width, step, dy, NARROW, sums, to, sums, to)
