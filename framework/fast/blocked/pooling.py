"""Pooling of channels-last images: one pass over all windows for each position in the window.

A window of 2 × 2 has four positions, and the pixels at one of them in all windows are a strided
view of the image. So pooling is four element-wise passes, over a few samples at a time.
"""

import numpy as np

from firstlight.fast.blocked.elementwise import zero_where
from firstlight.fast.blocked.parallel import spread_rows
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.pooling import AvgPool2d, MaxPool2d
from firstlight.nn.window import Window
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(MaxPool2d, when=[numpy_float32])
class BlockedMaxPool2d:
    """Find the largest pixel in an image with a frame, and store its position in a byte."""

    def forward(self, layer: MaxPool2d, x: Array) -> Array:  # x (N, H, W, C)
        y, place = self.largest(x, layer.window)  # (N, oh, ow, C) each
        layer.save(place, x.shape[1:3])
        return y

    def backward(self, layer: MaxPool2d, dy: Array) -> Array:  # dy (N, oh, ow, C)
        place, image = layer.saved()
        return self.put_back(dy, place, layer.window, image)  # (N, H, W, C)

    @staticmethod
    def largest(x: Array, window: Window) -> tuple[Array, Array]:
        """Return the largest pixel of each window, and its position in it."""
        return max_pool2d(x, window)

    @staticmethod
    def put_back(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
        """Return dx: dy at the positions in ``place``, else 0."""
        return max_pool2d_dx(dy, place, window, image)


@form(AvgPool2d, when=[numpy_float32])
class BlockedAvgPool2d:
    """Add up pixels in an image with a frame, and multiply by 1 / (number of pixels)."""

    def forward(self, layer: AvgPool2d, x: Array) -> Array:  # x (N, H, W, C)
        y = avg_pool2d(x, layer.window, layer.count_include_pad)  # (N, oh, ow, C)
        layer.save(x.shape[1:3])
        return y

    def backward(self, layer: AvgPool2d, dy: Array) -> Array:  # dy (N, oh, ow, C)
        (image,) = layer.saved()
        return avg_pool2d_dx(dy, layer.window, image, layer.count_include_pad)  # (N, H, W, C)


def max_pool2d(x: Array, window: Window) -> tuple[Array, Array]:
    """Return the largest value of each window, and its position in the window.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    window : firstlight.nn.window.Window

    Returns
    -------
    y : array, shape (N, oh, ow, C)
    place : array of int, shape (N, oh, ow, C)
        i · kw + j; the first of equal values, the last NaN.
    """
    rows, columns = window.axes(x.shape[1:3])
    shape = (len(x), rows.out, columns.out, x.shape[3])
    number_type = np.min_scalar_type(rows.taps * columns.taps)  # usually one byte
    y = np.empty_like(x, order="C", shape=shape)
    place = np.zeros_like(x, order="C", shape=shape, dtype=number_type)

    def find(start, stop):
        best, found = y[start:stop], place[start:stop]
        frame = _framed(x[start:stop], rows, columns, -np.inf)
        for number, pixels in _at_places(frame, rows, columns):
            if number == 0:
                best[...] = pixels
                continue
            better = np.multiply(pixels > best, number, dtype=number_type)
            np.maximum(found, better, out=found)  # numbers rise: the last one that was larger
            np.maximum(best, pixels, out=best)
        if np.isnan(best.max(initial=0)):
            for number, pixels in _at_places(frame, rows, columns):
                found[...] = np.where(np.isnan(pixels), number, found)

    if any(window.before):  # where no pixel is larger than the padding
        above, left = _first_inside(rows, x)[:, None, None], _first_inside(columns, x)[:, None]
        place += (above * columns.taps + left).astype(number_type)
    spread_rows(find, y)
    return y, place


def _first_inside(axis, like):
    """Return the first position of each window that is not in the padding before x, (out,)."""
    outside = axis.before - np.arange(axis.out, like=like) * axis.stride
    return np.clip(-(-outside // axis.dilation), 0, axis.taps - 1)


def max_pool2d_dx(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
    """Return dL/dx for images (H, W): dy at the largest value of each window, else 0."""
    return _spread_out(
        lambda number, block, out: zero_where(out, dy[block], place[block] != number),
        dy,
        window,
        image,
    )


def avg_pool2d(x: Array, window: Window, count_include_pad: bool = True) -> Array:
    """Return the mean of each window (N, oh, ow, C); the padding counts by default."""
    rows, columns = window.axes(x.shape[1:3])
    share = _shares(window, x, x.shape[1:3], count_include_pad)
    y = np.zeros_like(x, order="C", shape=(len(x), rows.out, columns.out, x.shape[3]))

    def add_up(start, stop):
        total = y[start:stop]
        frame = _framed(x[start:stop], rows, columns, 0)
        for _, pixels in _at_places(frame, rows, columns):
            total += pixels
        total *= share

    spread_rows(add_up, y)
    return y


def avg_pool2d_dx(
    dy: Array, window: Window, image: tuple[int, int], count_include_pad: bool = True
) -> Array:
    """Return dL/dx for images (H, W): dy divided equally among the pixels of its window."""
    share = _shares(window, dy, image, count_include_pad)
    return _spread_out(
        lambda number, block, out: np.multiply(dy[block], share, out=out), dy, window, image
    )


def _shares(window, like, image, count_include_pad):
    """Return 1 / (number of pixels that a window counts), a number for all or (oh, ow, 1).

    An axis along which all windows count as many has length 1.

    Pixels of a last window of ``ceil_mode`` beyond the padding never count.
    """
    counts = []
    for axis, size in zip(window.axes(image), image, strict=True):
        after = window.after[len(counts)]
        first, end = (-axis.before, size + after) if count_include_pad else (0, size)
        if -axis.before >= first and axis.span - axis.before <= end:
            counts.append(axis.taps)
            continue
        start = np.arange(axis.out, like=like) * axis.stride - axis.before  # (out,)
        stop = np.minimum(start + axis.taps, end)
        counts.append((stop - np.maximum(start, first)).astype(like.dtype))
    down, across = (
        count if isinstance(count, int) else count.reshape(shape)
        for count, shape in zip(counts, [(-1, 1, 1), (-1, 1)], strict=True)
    )
    return 1 / (down * across)


def _spread_out(part, dy, window, image):
    """Return dx, the sum over all windows of their ``part(place, samples, out)``."""
    rows, columns = window.axes(image)
    size = _framed_size(image, rows, columns)
    apart = window.kernel == window.stride and window.dilation == (
        1,
        1,
    )  # each pixel is in one window
    all_seen = apart and size == (rows.span, columns.span)
    dx = np.empty_like(dy, order="C", shape=(len(dy), *image, dy.shape[3]))

    def put(start, stop):
        block, frame = slice(start, stop), dx[start:stop]
        if size != image:
            frame = np.empty_like(dy, order="C", shape=(stop - start, *size, dy.shape[3]))
        if not all_seen:
            frame[...] = 0
        given = None if apart else np.empty_like(dy[block])
        for number, pixels in _at_places(frame, rows, columns):
            if apart:
                part(number, block, pixels)
            else:
                part(number, block, given)
                pixels += given
        if size != image:
            dx[block] = _inside(frame, rows, columns, image)

    spread_rows(put, dy)
    return dx


def _at_places(frame, rows, columns):
    """Yield ``(i · kw + j, pixels)``: the pixels at position (i, j) of all windows, a view."""
    for i in range(rows.taps):
        for j in range(columns.taps):
            lines, places = rows.seen_at(i), columns.seen_at(j)
            yield i * columns.taps + j, frame[:, lines, places]


def _framed(x, rows, columns, value):
    """Return the images padded with ``value`` as far as windows extend; x itself if not needed."""
    size = _framed_size(x.shape[1:3], rows, columns)
    if size == x.shape[1:3]:
        return x
    frame = np.full_like(x, value, order="C", shape=(len(x), *size, x.shape[3]))
    _inside(frame, rows, columns, x.shape[1:3])[...] = x
    return frame


def _framed_size(image, rows, columns):
    """Return height and width of images (H, W) padded as far as windows extend."""
    return tuple(
        max(axis.span, axis.before + pixels)
        for axis, pixels in zip((rows, columns), image, strict=True)
    )


def _inside(frame, rows, columns, image):
    """Return the images (H, W) in a frame, a view."""
    (top, left), (height, width) = (rows.before, columns.before), image
    return frame[:, top : top + height, left : left + width]
