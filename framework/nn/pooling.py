"""Max and average pooling of images."""

import numpy as np

from firstlight import fast
from firstlight.fast.window import Window
from firstlight.module import Module
from firstlight.nn._checks import check_fits, check_images, pair
from firstlight.support.array import Array


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

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        check_images("MaxPool2d", x)
        check_fits("MaxPool2d", x, self.window)
        y, place = fast.max_pool2d(x, self.window)  # (N, oh, ow, C) each
        self.save(place, x.shape[1:3])
        return y

    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        place, image = self.saved()
        self.check_dy(dy, place.shape)
        return fast.max_pool2d_dx(dy, place, self.window, image)  # (N, H, W, C)

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

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        check_images("AvgPool2d", x)
        check_fits("AvgPool2d", x, self.window)
        y = fast.avg_pool2d(x, self.window, self.count_include_pad)  # (N, oh, ow, C)
        self.save(y.shape, x.shape[1:3])
        return y

    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        shape, image = self.saved()
        self.check_dy(dy, shape)
        return fast.avg_pool2d_dx(dy, self.window, image, self.count_include_pad)  # (N, H, W, C)

    def extra_repr(self) -> str:
        left_out = "" if self.count_include_pad else ", count_include_pad=False"
        return _window_repr(self.window) + left_out


class AdaptiveAvgPool2d(Module):
    """Average cells of x so that y has a given size.

    Formula, along each axis; cell m of y is the mean of pixels start ... stop, and cells overlap
    if the sizes do not divide::

        start = ⌊m H / oh⌋        stop = ⌈(m + 1) H / oh⌉

    Gradient: dy of a cell is divided equally among its pixels.

    Parameters
    ----------
    output_size : int or (int, int)
        oh and ow.

    Raises
    ------
    ValueError
        An output_size below 1; x is not (N, H, W, C), or has no pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.AdaptiveAvgPool2d(2)(np.ones((5, 7, 7, 3), "float32")).shape
    (5, 2, 2, 3)
    """

    def __init__(self, output_size: int | tuple[int, int]):
        self.output_size: tuple[int, int] = pair("AdaptiveAvgPool2d", "output_size", output_size, 1)

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        _check_pixels("AdaptiveAvgPool2d", x)
        self.save(x)
        y = np.empty_like(x, order="C", shape=(len(x), *self.output_size, x.shape[3]))
        for m, n, pixels in self._cells(x):
            y[:, m, n] = x[pixels].mean(axis=(1, 2))  # (N, C)
        return y  # (N, oh, ow, C)

    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        (x,) = self.saved()
        self.check_dy(dy, (len(x), *self.output_size, x.shape[3]))
        dx = np.zeros_like(x, order="C")
        for m, n, pixels in self._cells(x):
            height, width = dx[pixels].shape[1:3]
            dx[pixels] += dy[:, m, n][:, None, None] * (1 / (height * width))  # (N, 1, 1, C)
        return dx  # (N, H, W, C)

    def _cells(self, x):
        """Yield ``(m, n, index)``, the pixels in each cell of y."""
        rows, columns = (
            [slice(m * size // out, -(-(m + 1) * size // out)) for m in range(out)]
            for size, out in zip(x.shape[1:3], self.output_size, strict=True)
        )
        for m, ys in enumerate(rows):
            for n, xs in enumerate(columns):
                yield m, n, (slice(None), ys, xs)

    def extra_repr(self) -> str:
        return f"{self.output_size}"


class GlobalAvgPool2d(Module):
    """Return the mean over all pixels, one number per channel.

    Formula and gradient::

        y[n, c]        = 1/(H W) Σ_hw x[n, h, w, c]
        dx[n, h, w, c] = dy[n, c] / (H W)

    Raises
    ------
    ValueError
        x is not (N, H, W, C), or has no pixels.

    References
    ----------
    Lin et al., "Network In Network", 2013, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.GlobalAvgPool2d()(np.ones((5, 7, 7, 3), "float32")).shape
    (5, 3)
    """

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        _check_pixels("GlobalAvgPool2d", x)
        self.save(x.shape)
        return x.mean(axis=(1, 2))  # (N, C)

    def backward(self, dy: Array) -> Array:  # dy (N, C)
        (shape,) = self.saved()
        self.check_dy(dy, (shape[0], shape[3]))
        share = dy * (1 / (shape[1] * shape[2]))  # (N, C)
        dx = np.empty_like(dy, order="C", shape=shape)
        dx[...] = share[:, None, None]
        return dx  # (N, H, W, C)


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
    return fast.Window(kernel, stride, dilation, padding, padding, bool(ceil_mode))


def _check_pixels(who, x):
    """Raise a ValueError unless x is (N, H, W, C) with at least one pixel."""
    check_images(who, x)
    if 0 in x.shape[1:3]:
        raise ValueError(f"{who}: expected x with pixels, got shape {x.shape}")


def _window_repr(window):
    """Return the repr of a pooling layer's window."""
    parts = [f"kernel_size={window.kernel}, stride={window.stride}"]
    parts += [f"padding={window.before}"] if any(window.before) else []
    parts += [f"dilation={window.dilation}"] if window.dilation != (1, 1) else []
    parts += ["ceil_mode=True"] if window.ceil_mode else []
    return ", ".join(parts)
