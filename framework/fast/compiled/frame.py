"""Frames: a few images, or some lines of one, with their padding.

A compiled convolution copies its input here first. The frame is in the cache, and a table holds the
offsets of the windows' numbers, whatever the padding and the stride.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.lib.stride_tricks import as_strided

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.nn.window import Axis
from firstlight.support.array import Array

_address = types.CPointer(types.float32)
copy_bytes: Any = types.ExternalFunction("memcpy", types.voidptr(_address, _address, types.uintp))

FRAME_BYTES = 2**18  # half of a core's L2 cache
FEW_PLACES = 192  # window positions below which several small images share a frame


class Images(NamedTuple):
    """Images (N, H, W, C) as a flat array of numbers, which may have gaps."""

    numbers: Array
    steps: tuple[int, ...]  # from a sample, line, pixel or channel to the next
    shape: tuple[int, ...]


class Frame(NamedTuple):
    """Some lines of windows on some images, and memory for their pixels.

    Attributes
    ----------
    rows, columns : firstlight.nn.window.Axis
        All windows.
    lines : int
        Number of lines of windows in the frame.
    memory : array, shape (samples, lines that are seen, pixels, channels)
    """

    rows: Axis
    columns: Axis
    lines: int
    memory: Array


def as_images(images: Array) -> Images:
    """Return `Images` for an array: a view, unless the channels of a pixel have gaps.

    An array to be written must have none, as is true of `np.empty` and its views.
    """
    steps = tuple([step // images.itemsize for step in images.strides])
    if images.flags.c_contiguous:
        return Images(images.reshape(-1), steps, images.shape)
    if steps[3] != 1 or min(steps) < 0:
        return as_images(np.ascontiguousarray(images))
    last = sum((size - 1) * step for size, step in zip(images.shape, steps, strict=True))
    return Images(as_strided(images, (last + 1,), (images.itemsize,)), steps, images.shape)


def frame_layout(
    count: int, rows: Axis, columns: Axis, channels: int
) -> tuple[int, tuple[int, int, int, int]]:
    """Return the number of lines of windows in a frame, and the shape of its memory.

    Parameters
    ----------
    count : int
        Samples.
    rows, columns : firstlight.nn.window.Axis
    channels : int
        May be more than those of x; the others are not initialised.
    """
    line_bytes = 4 * columns.span * channels
    image_bytes, places = line_bytes * rows.span, rows.out * columns.out
    samples, lines = 1, rows.out
    if image_bytes <= FRAME_BYTES:
        samples = max(1, min(count, -(-FEW_PLACES // places), FRAME_BYTES // image_bytes))
    else:
        reach = (rows.taps - 1) * rows.dilation + 1
        most = max(1, (FRAME_BYTES // line_bytes - reach) // rows.stride + 1)
        lines = -(-rows.out // -(-rows.out // most))  # about equally many each time
    return lines, (samples, rows._replace(out=lines).span, columns.span, channels)


def window_offsets(
    shape: tuple[int, ...], rows: Axis, columns: Axis, multiple: int = 1, /, **counts: int
) -> Array:
    """Return the offsets in a frame of numbers that differ in some of their indices.

    Parameters
    ----------
    shape : tuple of int
        Shape of the frame's memory.
    rows, columns : firstlight.nn.window.Axis
    multiple : int
        The table is padded to a multiple of it with its last offset.
    **counts : int
        Size of each index, the outermost first: "samples", the "lines" and "places" of windows,
        the "rows" and "columns" within a window, and "channels".

    Returns
    -------
    array of int64
    """
    _, lines, width, channels = shape
    steps = {
        "samples": lines * width * channels,
        "lines": rows.stride * width * channels,
        "places": columns.stride * channels,
        "rows": rows.dilation * width * channels,
        "columns": columns.dilation * channels,
        "channels": 1,
    }
    return offsets(tuple(counts.values()), [steps[name] for name in counts], multiple)


def offsets(counts: tuple[int, ...], steps: Sequence[int], multiple: int = 1) -> Array:
    """Return the offsets of all tuples of indices below ``counts``, given the step of each index.

    Examples
    --------
    >>> from firstlight.fast.compiled.frame import offsets
    >>> offsets((2, 2), (10, 1), multiple=3)
    array([ 0,  1, 10, 11, 11, 11])
    """
    found = np.zeros(1, np.int64)
    for count, step in zip(counts, steps, strict=True):
        found = np.add.outer(found, np.arange(count) * step).reshape(-1)
    return np.append(found, np.repeat(found[-1:], -len(found) % multiple))


@cached_njit()
def fill(frame: Frame, images: Images, sample: int, stop: int, top: int) -> tuple[int, int]:
    """Copy the pixels that windows see into the memory of the frame, with zeros around them.

    Parameters
    ----------
    frame : Frame
    images : Images
    sample, stop : int
        The first image, and the one after the last.
    top : int
        The first line of windows.

    Returns
    -------
    samples, lines : int
        Number of images, and of lines of windows.
    """
    memory, rows = frame.memory, frame.rows
    _, image_lines, width, channels = images.shape
    sample_step, line_step, pixel_step, _ = images.steps
    samples = min(len(memory), stop - sample)
    left = frame.columns.before
    start = min(max(left, 0), memory.shape[2])
    end = max(min(left + width, memory.shape[2]), start)
    for index in range(samples):
        for line in range(memory.shape[1]):
            line_of_image, pixels = top * rows.stride + line - rows.before, memory[index, line]
            if line_of_image < 0 or line_of_image >= image_lines:
                pixels[:] = 0
                continue
            pixels[:start] = 0
            pixels[end:] = 0
            at = (sample + index) * sample_step + line_of_image * line_step
            at += (start - left) * pixel_step
            if pixel_step == channels == memory.shape[3]:
                inside = pixels[start:end]
                copy_bytes(inside.ctypes, images.numbers[at:].ctypes, 4 * inside.size)
                continue
            for pixel in range(start, end):
                for c in range(channels):
                    pixels[pixel, c] = images.numbers[at + c]
                at += pixel_step
    return samples, min(frame.lines, rows.out - top)
