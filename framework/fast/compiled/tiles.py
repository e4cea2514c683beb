"""Loops over tiles: the compiled part of a convolution, for a chunk of the batch.

Channels are processed 16 at a time, or 8 if no more are left; missing ones are 0. With
``by_channel``, each kernel has one channel and sees only the channel of x with its number.
"""

import math
from typing import NamedTuple

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.frame import Frame, Images, copy_bytes, fill
from firstlight.fast.compiled.tile import WIDE_REGISTERS, Places, Windows, tile_of
from firstlight.support.array import Array

WIDE, WIDE_WINDOWS = 16, 12 if WIDE_REGISTERS else 6  # channels and windows of a tile
NARROW, NARROW_WINDOWS = 8, 8

_wide, _narrow = tile_of(WIDE_WINDOWS, WIDE), tile_of(NARROW_WINDOWS, NARROW)
_wide_by_channel = tile_of(WIDE_WINDOWS, WIDE, by_channel=True)
_narrow_by_channel = tile_of(NARROW_WINDOWS, NARROW, by_channel=True)


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
        Memory for 16 channels of so many lines of dy.
    by_channel : bool
    """

    frame: Frame
    x: Images
    dy: Images
    entry_at: Array
    window_at: Array
    lines: int
    part: Array
    by_channel: bool


def filled(channels: int) -> int:
    """Round a number of channels up to one that fills tiles."""
    return -(-channels // NARROW) * NARROW


def filling_windows(channels: int) -> int:
    """Return the number whose multiples are numbers of windows that fill tiles."""
    wide, narrow = divmod(filled(channels), WIDE)
    return math.lcm(WIDE_WINDOWS if wide else 1, NARROW_WINDOWS if narrow else 1)


@cached_njit()
def pack_kernels(kernels: Array, weights: Array) -> None:
    """Write kernels (K, O) in the order in which tiles read them: K rows of 16 at a time."""
    size, out = kernels.shape
    channels = len(weights) // size
    for first in range(0, channels, WIDE):
        width = min(WIDE, channels - first)
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
            for o in range(0, channels, WIDE):
                numbers = memory[o:] if job.by_channel else memory
                seen = Windows(numbers, job.window_at[last], job.number_at)
                start, result = Places(job.bias[o:], bias_at), Places(target[o:], job.sum_at[last])
                wide = o + WIDE <= channels
                _sum_tiles(seen, job.weights[o * size :], start, result, wide, job.by_channel)
            if channels > out:
                _crop_channels(job.part, channels, y, first, samples, lines)


@cached_njit()
def _sum_tiles(seen, weights, start, result, wide, by_channel):
    """Compute all windows' sums, tile by tile, for 16 channels, or 8 if not ``wide``."""
    for first in range(0, len(seen.at), WIDE_WINDOWS if wide else NARROW_WINDOWS):
        if wide and by_channel:
            _wide_by_channel(seen, weights, start, result, first)
        elif wide:
            _wide(seen, weights, start, result, first)
        elif by_channel:
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
    width, channels, sums = dy.shape[2], dw.shape[1], dw.reshape(-1)
    row_at = np.arange(len(job.entry_at)) * channels
    for sample in range(begin, stop, len(frame.memory)):
        for top in range(0, frame.rows.out, frame.lines):
            samples, lines = fill(frame, job.x, sample, stop, top)
            for line in range(0, samples * lines, job.lines):
                end = min(line + job.lines, samples * lines)
                window_at = job.window_at[line * width : end * width]
                for o in range(0, channels, WIDE):
                    count = min(WIDE, channels - o)
                    for index in range(end - line):
                        number, down = divmod(line + index, lines)
                        packed = job.part[index * width * count :]
                        _pack_line(dy, sample + number, top + down, o, count, packed)
                    numbers = memory[o:] if job.by_channel else memory
                    seen = Windows(numbers, job.entry_at, window_at)
                    places = Places(sums[o:], row_at)
                    _sum_tiles(seen, job.part, places, places, count == WIDE, job.by_channel)


@cached_njit()
def _pack_line(dy, sample, line, o, count, packed):
    """Copy ``count`` channels of a line of dy, from channel ``o`` on; missing ones are 0."""
    _, _, width, out = dy.shape
    first = sample * dy.steps[0] + line * dy.steps[1] + o
    for index in range(width):
        pixel, to = dy.numbers[first + index * dy.steps[2] :], packed[index * count :]
        if o + WIDE <= out:
            copy_bytes(to.ctypes, pixel.ctypes, 4 * WIDE)
        else:
            for c in range(count):
                to[c] = pixel[c] if o + c < out else 0
