"""Patches: the windows of a convolution as the rows of a matrix (im2col).

A 2 × 2 window has four positions on a 3 × 3 image. Each becomes a row::

    a b c        a b  d e        position (0, 0)
    d e f   ->   b c  e f        position (0, 1)
    g h i        d e  g h        position (1, 0)
                 e f  h i        position (1, 1)

and a convolution is the product of this matrix with the kernels as columns. The matrix holds each
pixel kh · kw times and would be far larger than the cache. So it is built for a few samples (or a
few lines of one) at a time, multiplied while it is in the cache, and overwritten.

Images are channels-last, so that the kw pixels of a line of the window are contiguous. If that is
short, as with grey images, the matrix is filled transposed, so that a line of the image is
contiguous.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from firstlight.fast.blocked.parallel import spread
from firstlight.fast.blocked.scratch import scratch
from firstlight.nn.window import Axis
from firstlight.support.array import Array

PATCH_BYTES = 2**20  # of the matrix of patches: half of a core's L2 cache
SHORT_RUN = 16  # contiguous values below which the matrix is filled transposed
CHUNKS = 4  # of a batch, on any machine, so that sums over them are reproducible
FEW = 2**22  # multiplications; fewer are done before a second thread has started


def patches(
    x: Array, rows: Axis, columns: Axis, width: int
) -> Iterator[tuple[slice, slice, Array]]:
    """Yield ``(samples, lines, matrix)``, a few samples at a time.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    rows, columns : firstlight.nn.window.Axis
    width : int
        Columns of the other factor in the product.

    Yields
    ------
    samples, lines : slice
        ``y[samples, lines]`` is contiguous in a new y of shape (N, rows.out, columns.out, ...).
    matrix : array, shape (places, kh · kw · C)
        One row for each pixel of ``y[samples, lines]``; overwritten by the next matrix.
    """
    row_bytes = rows.taps * columns.taps * x.shape[3] * x.dtype.itemsize
    view = framed(x, rows, columns)
    # BLAS packs the other factor again for each product, which pays off with many rows only.
    for samples, lines in tiles(view, row_bytes, least=2 * width):
        yield samples, lines, _as_matrix(view[samples, lines])


def _as_matrix(view):
    """Copy windows (n, lines, ow, kh, kw, C) into a matrix (places, kh · kw · C)."""
    kh, kw, channels = view.shape[3:]
    size = kh * kw * channels
    if kh == kw == 1:
        return view.reshape(-1, size)  # no copy, unless there are gaps
    short = kw * channels < SHORT_RUN
    view = view.transpose(3, 4, 5, 0, 1, 2) if short else view
    matrix = scratch("patches", view.shape, view)
    matrix[...] = view
    return matrix.reshape(size, -1).T if short else matrix.reshape(-1, size)


def framed(x: Array, rows: Axis, columns: Axis) -> Array:
    """Return the windows on images, a view (N, oh, ow, kh, kw, C).

    If windows extend over the edge, the images are copied into a frame of zeros first.
    """
    inside = rows.before == columns.before == 0
    if not inside or rows.span > x.shape[1] or columns.span > x.shape[2]:
        frame = scratch("frame", (len(x), rows.span, columns.span, x.shape[3]), x)
        _fill_frame(frame, x, rows.before, columns.before)
        x = frame
    return windows(x, rows, columns)


def windows(x: Array, rows: Axis, columns: Axis) -> Array:
    """Return all windows of images (N, H, W, C) as a view (N, oh, ow, kh, kw, C)."""
    extents = [(axis.taps - 1) * axis.dilation + 1 for axis in (rows, columns)]
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=(1, 2))
    view = view[:, :: rows.stride, :: columns.stride, :, :: rows.dilation, :: columns.dilation]
    return view[:, : rows.out, : columns.out].transpose(0, 1, 2, 4, 5, 3)


def _fill_frame(frame, x, top, left):
    """Copy images into a frame, ``top`` lines down and ``left`` to the right, with 0 around them.

    Negative numbers move them out of the frame; pixels outside are cropped.
    """
    lines, lines_of_x = _overlap(frame.shape[1], x.shape[1], top)
    places, places_of_x = _overlap(frame.shape[2], x.shape[2], left)
    frame[:, : lines.start] = 0
    frame[:, lines.stop :] = 0
    frame[:, lines, : places.start] = 0
    frame[:, lines, places.stop :] = 0
    frame[:, lines, places] = x[:, lines_of_x, places_of_x]


def _overlap(outer, inner, before):
    """Return the overlap of ``before ... before + inner`` and ``0 ... outer``, as two slices."""
    start = min(max(before, 0), outer)
    stop = max(min(before + inner, outer), start)
    return slice(start, stop), slice(start - before, stop - before)


def tiles(images: Array, pixel_bytes: int, least: int = 1) -> Iterator[tuple[slice, slice]]:
    """Yield ``(samples, lines)``, slices of images (N, oh, ow, ...) of about `PATCH_BYTES`.

    They are whole images, unless a single one is larger, and have about ``least`` pixels or more.
    """
    count, height, width = images.shape[:3]
    places = max(PATCH_BYTES // pixel_bytes, least)
    samples = max(1, places // (height * width))
    rounds = max(1, -(-count // samples))
    samples = max(1, -(-count // rounds))  # about equally many in each
    lines = height if height * width <= places else max(1, -(-places // width))
    for first in range(0, count, samples):
        for top in range(0, height, lines):
            yield slice(first, min(first + samples, count)), slice(top, min(top + lines, height))


def over_chunks(function: Callable[[int, int], Any], x: Array, multiplications: int) -> list[Any]:
    """Call ``function(start, stop)`` for chunks of the batch, on all cores if that pays off.

    Returns the results in the order of the chunks.
    """
    if multiplications < FEW:
        return [function(0, len(x))]
    return spread(function, len(x), -(-len(x) // CHUNKS))
