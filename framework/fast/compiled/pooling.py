"""Max-pooling of channels-last images, window by window, and channel by channel within."""

import numpy as np

from firstlight.fast.blocked.parallel import even_rows, spread
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.nn.window import Axis, Window
from firstlight.support.array import Array


def max_pool2d(x: Array, window: Window) -> tuple[Array, Array]:
    """Return y and places; see `firstlight.fast.blocked.pooling`."""
    x = np.ascontiguousarray(x)
    rows, columns = window.axes(x.shape[1:3])
    y = np.empty_like(x, shape=(len(x), rows.out, columns.out, x.shape[3]))
    place = np.empty_like(y, dtype=np.min_scalar_type(rows.taps * columns.taps))

    def find(start, stop):
        n = slice(start, stop)
        _largest(x[n], rows, columns, y[n], place[n])

    spread(find, len(x), even_rows(len(x), x[0].nbytes))
    return y, place


def max_pool2d_dx(dy: Array, place: Array, window: Window, image: tuple[int, int]) -> Array:
    """Return dx: dy at the largest value of each window, else 0."""
    dy = np.ascontiguousarray(dy, dtype="float32")
    rows, columns = window.axes(image)
    dx = np.empty_like(dy, shape=(len(dy), *image, dy.shape[3]))

    def put(start, stop):
        n = slice(start, stop)
        _put_back(dy[n], place[n], rows, columns, dx[n])

    spread(put, len(dy), even_rows(len(dy), dx[0].nbytes))
    return dx


@cached_njit(error_model="numpy")
def _largest(x: Array, rows: Axis, columns: Axis, y: Array, place: Array) -> None:
    samples, height, width, channels = x.shape
    for n in range(samples):
        for a in range(rows.out):
            for b in range(columns.out):
                best, found, first = y[n, a, b], place[n, a, b], True
                for i in range(rows.taps):
                    h = a * rows.stride + i * rows.dilation - rows.before
                    for j in range(columns.taps):
                        w = b * columns.stride + j * columns.dilation - columns.before
                        if not (0 <= h < height and 0 <= w < width):
                            continue
                        pixel, number = x[n, h, w], i * columns.taps + j
                        if first:
                            for c in range(channels):
                                best[c], found[c] = pixel[c], number
                            first = False
                            continue
                        for c in range(channels):
                            value = pixel[c]
                            # A NaN is larger than all; of several, the last counts.
                            larger = value > best[c] or value != value
                            best[c] = value if larger else best[c]
                            found[c] = number if larger else found[c]


@cached_njit(error_model="numpy")
def _put_back(dy: Array, place: Array, rows: Axis, columns: Axis, dx: Array) -> None:
    samples, height, width, channels = dx.shape
    for n in range(samples):
        image = dx[n].reshape(-1)
        for k in range(image.size):
            image[k] = 0
        for a in range(rows.out):
            for b in range(columns.out):
                slope, found = dy[n, a, b], place[n, a, b]
                for i in range(rows.taps):
                    h = a * rows.stride + i * rows.dilation - rows.before
                    for j in range(columns.taps):
                        w = b * columns.stride + j * columns.dilation - columns.before
                        if not (0 <= h < height and 0 <= w < width):
                            continue
                        pixel, number = dx[n, h, w], i * columns.taps + j
                        for c in range(channels):
                            pixel[c] += slope[c] if found[c] == number else np.float32(0)
