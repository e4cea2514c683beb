"""Max and average pooling of images."""

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_fits, check_images, pair
from firstlight.nn.window import Window
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class MaxPool2d(Module):
    """Return the largest value of each window, for each channel.

    Formula::

        y[n, h, w, c] = max_ij x[n, s h + i, s w + j, c]        i < kh, j < kw

    Gradient: y depends on the largest pixel only (the first of equal ones), whose position forward
    saves::

        dx[n, s h + i, s w + j, c] = dy[n, h, w, c] at that position (i, j), else 0

    summed over windows that overlap.

    Parameters
    ----------
    kernel_size : int or (int, int)
        kh and kw.
    stride : int or (int, int), optional
        s, pixels from one window to the next; ``kernel_size`` by default.
    padding : int or (int, int)
        Pixels of -∞ around the image; at most half the kernel.
    dilation : int or (int, int)
        Pixels from one position of the window to the next.
    ceil_mode : bool
        If True, a last window may extend over the end, so that no pixel is skipped.

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, H, W, C), or too small.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> x = np.array([[1.0, 5.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)
    >>> layer = nn.MaxPool2d(2)
    >>> layer(x).ravel(), layer.backward(np.ones((1, 1, 1, 1))).ravel()
    (array([5.]), array([0., 1., 0., 0.]))
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        *,
        ceil_mode: bool = False,
    ):
        dilation = pair("MaxPool2d", "dilation", dilation, 1)
        self.window: Window = _pooling_window(
            "MaxPool2d", kernel_size, stride, padding, dilation, ceil_mode
        )

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        n, h, w, c = x.shape
        y = np.full_like(x, -np.inf, shape=(n, *self.window.positions((h, w)), c))  # (N, oh, ow, C)
        place = np.full_like(y, -1, dtype=int)  # (N, oh, ow, C)
        for k, windows, pixels in _taps(self.window, (h, w)):
            seen = x[pixels]  # pixel k of each window: taken if first, larger or NaN
            better = (place[windows] < 0) | (seen > y[windows]) | np.isnan(seen)
            y[windows] = np.where(better, seen, y[windows])
            place[windows] = np.where(better, k, place[windows])
        self.save(place, x.shape)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        place, shape = self.saved()
        dx = np.zeros_like(dy, shape=shape)  # (N, H, W, C)
        for k, windows, pixels in _taps(self.window, shape[1:3]):
            dx[pixels] += np.where(place[windows] == k, dy[windows], 0)
        return dx

    def check_input(self, x: Array) -> None:
        check_images("MaxPool2d", x)
        check_fits("MaxPool2d", x, self.window)

    def extra_repr(self) -> str:
        return _window_repr(self.window)


class AvgPool2d(Module):
    """Return the mean of each window, for each channel.

    Formula::

        y[n, h, w, c] = 1/(kh kw) Σ_ij x[n, s h + i, s w + j, c]

    Gradient: each pixel has weight 1/(kh kw) in every window that contains it::

        dx[n, s h + i, s w + j, c] = 1/(kh kw) Σ dy[n, h, w, c] over these windows

    If a window counts fewer pixels, their number replaces kh kw.

    Parameters
    ----------
    kernel_size : int or (int, int)
        kh and kw.
    stride : int or (int, int), optional
        s, pixels from one window to the next; ``kernel_size`` by default.
    padding : int or (int, int)
        Zeros around the image; at most half the kernel.
    ceil_mode : bool
        If True, a last window may extend over the end; pixels there never count.
    count_include_pad : bool
        If False, the zeros around the image are not counted.

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, H, W, C), or too small.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.AvgPool2d(2)(np.arange(4.0).reshape(1, 2, 2, 1)).ravel()
    array([1.5])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        self.window: Window = _pooling_window(
            "AvgPool2d", kernel_size, stride, padding, (1, 1), ceil_mode
        )
        self.count_include_pad: bool = bool(count_include_pad)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        n, h, w, c = x.shape
        total = np.zeros_like(x, shape=(n, *self.window.positions((h, w)), c))  # (N, oh, ow, C)
        for _, windows, pixels in _taps(self.window, (h, w)):
            total[windows] += x[pixels]
        count = self._pixels_counted(x)  # (oh, ow, 1), kh kw where the window is inside
        self.save(count, x.shape)
        return total / count

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        count, shape = self.saved()
        share = dy / count  # (N, oh, ow, C)
        dx = np.zeros_like(dy, shape=shape)  # (N, H, W, C)
        for _, windows, pixels in _taps(self.window, shape[1:3]):
            dx[pixels] += share[windows]
        return dx

    def check_input(self, x: Array) -> None:
        check_images("AvgPool2d", x)
        check_fits("AvgPool2d", x, self.window)

    def _pixels_counted(self, x):
        """Return the number of pixels that each window counts; beyond the padding are none."""
        along = []  # of rows, of columns
        for n, axis in enumerate(self.window.axes(x.shape[1:3])):
            size, before, after = x.shape[1 + n], self.window.before[n], self.window.after[n]
            first, end = (-before, size + after) if self.count_include_pad else (0, size)
            start = np.arange(axis.out, dtype=x.dtype, like=x) * axis.stride - before
            along.append(np.minimum(start + axis.taps, end) - np.maximum(start, first))
        return np.outer(*along)[:, :, None]

    def extra_repr(self) -> str:
        left_out = "" if self.count_include_pad else ", count_include_pad=False"
        return _window_repr(self.window) + left_out


def _pooling_window(who, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the `Window` of a pooling layer's arguments."""
    kernel = pair(who, "kernel_size", kernel_size, 1)
    stride = kernel if stride is None else pair(who, "stride", stride, 1)
    padding = pair(who, "padding", padding, 0)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(
            f"{who}: expected a padding of half the kernel_size at most, got padding={padding} "
            f"with kernel_size={kernel}; a window must see the image"
        )
    return Window(kernel, stride, dilation, padding, padding, bool(ceil_mode))


def _taps(window, image):
    """Yield ``(k, windows, pixels)`` for each position k = i kw + j in a window.

    ``windows`` are those whose pixel k is on the image (H, W), and ``pixels`` these pixels: indices
    for all samples and channels.
    """
    rows, columns = window.axes(image)
    for i in range(rows.taps):
        for j in range(columns.taps):
            (m, ys), (n, xs) = rows.inside(i, image[0]), columns.inside(j, image[1])
            yield i * columns.taps + j, (slice(None), m, n), (slice(None), ys, xs)


def _window_repr(window):
    """Return the repr of a pooling layer's window."""
    parts = [f"kernel_size={window.kernel}, stride={window.stride}"]
    parts += [f"padding={window.before}"] if any(window.before) else []
    parts += [f"dilation={window.dilation}"] if window.dilation != (1, 1) else []
    parts += ["ceil_mode=True"] if window.ceil_mode else []
    return ", ".join(parts)
