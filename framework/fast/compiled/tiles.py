"""Loops over tiles: the compiled part of a convolution, for a chunk of the batch.

Channels are processed in strips of 32 (with AVX-512), 16 or 8, as many as are left; missing ones
are 0. With ``by_channel``, each kernel has one channel and sees only that channel of x.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.frame import Frame, Images, copy_bytes, fill
from firstlight.fast.compiled.tile import WIDE_REGISTERS, Places, Windows, tile_of
from firstlight.support.array import Array

# Channels and windows of a tile. The channels of a wide one are two vectors, so that each number of
# x is loaded for two multiply-adds. 9 windows: dW of a 3 × 3 kernel has 9 rows for each channel.
WIDE, WIDE_WINDOWS = (32, 9) if WIDE_REGISTERS else (16, 6)
MIDDLE, MIDDLE_WINDOWS = (16, 12) if WIDE_REGISTERS else (16, 6)
NARROW, NARROW_WINDOWS = 8, 8

_wide, _wide_by_channel = (tile_of(WIDE_WINDOWS, WIDE, each) for each in (False, True))
_middle, _middle_by_channel = (tile_of(MIDDLE_WINDOWS, MIDDLE, each) for each in (False, True))
_narrow, _narrow_by_channel = (tile_of(NARROW_WINDOWS, NARROW, each) for each in (False, True))


class Correlation(NamedTuple):
    """A convolution y = P(x) kernels + bias.

    Attributes
    ----------
    frame : Frame
    x, y : Images
    window_at : (array, array)
        Offset of each window in the frame's memory: in a whole frame, and in the last one.
    sum_at : (array, array)
        Offset of each window's channels in y, or in ``part``, likewise.
    number_at : array of int64
        Offset of each number of a window from its first.
    weights, bias : array
        From `pack_kernels`; their channels fill tiles.
    part : array
        Memory for a frame's part of y, used if the channels of y do not fill tiles.
    strips : array
        See `strips`.
    by_channel : bool
    """

    frame: Frame
    x: Images
    y: Images
    window_at: tuple[Array, Array]
    sum_at: tuple[Array, Array]
    number_at: Array
    weights: Array
    bias: Array
    part: Array
    strips: Array
    by_channel: bool


class WeightGradient(NamedTuple):
    """The gradient dW = P(x)ᵀ dy: its rows take the place of windows, and windows that of numbers.

    Attributes
    ----------
    frame : Frame
    x, dy : Images
    entry_at : array of int64
        Offset of each number of a window, one for each row of dW.
    window_at : array of int64
        Offset of each window in the frame's memory.
    lines : int
        Number of lines that are summed at a time.
    part : array
        Memory for a strip of so many lines of dy.
    strips : array
        See `strips`.
    by_channel : bool
    """

    frame: Frame
    x: Images
    dy: Images
    entry_at: Array
    window_at: Array
    lines: int
    part: Array
    strips: Array
    by_channel: bool


def filled(channels: int) -> int:
    """Round a number of channels up to one that fills tiles."""
    return -(-channels // NARROW) * NARROW


@lru_cache(maxsize=128)
def strips(channels: int) -> Array:
    """Return the first channel and the width of each strip of so many channels, (strips, 2)."""
    found, first = [], 0
    while first < channels:
        left = channels - first
        width = WIDE if left >= WIDE else MIDDLE if left >= MIDDLE else NARROW
        found.append((first, width))
        first += width
    return np.array(found)


def filling_windows(channels: int) -> int:
    """Return the number whose multiples are numbers of windows that fill tiles."""
    windows = {WIDE: WIDE_WINDOWS, MIDDLE: MIDDLE_WINDOWS, NARROW: NARROW_WINDOWS}
    return math.lcm(*(windows[width] for _, width in strips(filled(channels)).tolist()))


def pack_kernels(kernels: Array, weights: Array) -> None:
    """Write kernels (K, O) in the order in which tiles read them: K rows of a strip at a time."""
    _pack_kernels(kernels, strips(len(weights) // len(kernels)), weights)


@cached_njit()
def _pack_kernels(kernels, strips, weights):
    size, out = kernels.shape
    for first, width in strips:
        block = weights[first * size :]
        for k in range(size):
            for o in range(width):
                block[k * width + o] = kernels[k, first + o] if first + o < out else 0


@cached_njit()
def correlate(job: Correlation, begin: int, stop: int) -> None:
    """Compute samples ``begin`` to ``stop`` of y."""
    frame, y, memory = job.frame, job.y, job.frame.memory.reshape(-1)
    channels, out = len(job.bias), y.shape[3]  # with and without those that fill tiles
    size = len(job.number_at)
    bias_at = np.zeros(len(job.window_at[0]), np.int64)  # the same for all windows
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, frame.rows.out, frame.lines):
            samples, lines = fill(frame, job.x, sample, stop, top)
            last = 1 if samples < len(frame.memory) or lines < frame.lines else 0
            first = sample * y.steps[0] + top * y.steps[1]
            target = y.numbers[first:] if channels == out else job.part
            for o, width in job.strips:
                numbers = memory[o:] if job.by_channel else memory
                seen = Windows(numbers, job.window_at[last], job.number_at)
                start, result = Places(job.bias[o:], bias_at), Places(target[o:], job.sum_at[last])
                sum_tiles(seen, job.weights[o * size :], start, result, width, job.by_channel)
            if channels > out:
                _crop_channels(job.part, channels, y, first, samples, lines)


@cached_njit()
def sum_tiles(
    seen: Windows, weights: Array, start: Places, result: Places, width: int, by_channel: bool
) -> None:
    """Compute all windows' sums, tile by tile, for a strip of ``width`` channels."""
    if width == WIDE:
        for first in range(0, len(seen.at), WIDE_WINDOWS):
            if by_channel:
                _wide_by_channel(seen, weights, start, result, first)
            else:
                _wide(seen, weights, start, result, first)
    elif width == MIDDLE:
        for first in range(0, len(seen.at), MIDDLE_WINDOWS):
            if by_channel:
                _middle_by_channel(seen, weights, start, result, first)
            else:
                _middle(seen, weights, start, result, first)
    else:
        for first in range(0, len(seen.at), NARROW_WINDOWS):
            if by_channel:
                _narrow_by_channel(seen, weights, start, result, first)
            else:
                _narrow(seen, weights, start, result, first)


@cached_njit()
def _crop_channels(part, channels, y, first, samples, lines):
    """Copy the channels that y has from a part into y, from number ``first`` on."""
    _, _, width, out = y.shape
    at = 0
    for sample in range(samples):
        for line in range(lines):
            for place in range(width):
                to = first + sample * y.steps[0] + line * y.steps[1] + place * y.steps[2]
                for o in range(out):
                    y.numbers[to + o] = part[at + o]
                at += channels


@cached_njit()
def add_weight_gradient(job: WeightGradient, begin: int, stop: int, dw: Array) -> None:
    """Add the gradient of samples ``begin`` to ``stop`` to dw (rows, channels that fill tiles)."""
    frame, dy, memory = job.frame, job.dy, job.frame.memory.reshape(-1)
    places, channels, sums = dy.shape[2], dw.shape[1], dw.reshape(-1)
    row_at = np.arange(len(job.entry_at)) * channels
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, frame.rows.out, frame.lines):
            samples, lines = fill(frame, job.x, sample, stop, top)
            for line in range(0, samples * lines, job.lines):
                end = min(line + job.lines, samples * lines)
                window_at = job.window_at[line * places : end * places]
                for o, width in job.strips:
                    for index in range(end - line):
                        number, down = divmod(line + index, lines)
                        packed = job.part[index * places * width :]
                        _pack_line(dy, sample + number, top + down, o, width, packed)
                    numbers = memory[o:] if job.by_channel else memory
                    seen = Windows(numbers, job.entry_at, window_at)
                    total = Places(sums[o:], row_at)
                    sum_tiles(seen, job.part, total, total, width, job.by_channel)


@cached_njit()
def _pack_line(dy, sample, line, o, width, packed):
    """Copy a strip of ``width`` channels of a line of dy, from o on; missing ones are 0."""
    _, _, places, out = dy.shape
    first = sample * dy.steps[0] + line * dy.steps[1] + o
    if o + width <= out:
        for index in range(places):
            pixel, to = dy.numbers[first + index * dy.steps[2] :], packed[index * width :]
            for c in range(0, width, NARROW):
                copy_bytes(to[c:].ctypes, pixel[c:].ctypes, 4 * NARROW)
    else:
        for index in range(places):
            pixel, to = dy.numbers[first + index * dy.steps[2] :], packed[index * width :]
            for c in range(width):
                to[c] = pixel[c] if o + c < out else 0
