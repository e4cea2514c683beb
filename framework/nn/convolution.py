"""Conv2d: convolution of images with kernels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_channels, check_dtype, check_fits, check_images
from firstlight.nn._windows import convolution_window
from firstlight.nn.window import Window
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Conv2d(Module):
    """Convolve images: each output pixel is the product of a kernel with a patch.

    Formula, with stride s and dilation d; o counts kernels, c channels (`firstlight.fast.loops` has
    this sum as six plain loops)::

        y[n, h, w, o] = b_o + Σ_ijc x[n, s h + d i, s w + d j, c] W[o, i, j, c]

    The patch at (h, w) and a kernel are rows of K = kh · kw · C numbers each. So with all patches
    as the rows of a matrix P(x), see `im2col`, this is a `Linear` layer::

        y = P(x) Wᵀ + b         P (N oh ow, K), W (O, K), y (N oh ow, O)

    Gradient: for W, b and P that of `Linear`. P holds a pixel once for each window that sees it,
    so dx is the sum of these numbers of dP, see `col2im`::

        db = Σ dy        dW = dyᵀ P(x)        dP = dy W
        dx[n, s h + d i, s w + d j, c] += dP[n, h, w, i, j, c]

    G groups are G such products, of C/G channels and O/G kernels each. The derivation is in
    docs/derivations/convolution.md.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or (int, int)
        kh and kw.
    stride : int or (int, int)
        Pixels from one window to the next.
    padding : int, (int, int), "same" or "valid"
        Zeros on each side; "same" keeps height and width (stride 1 only), "valid" adds none.
    dilation : int or (int, int)
        Pixels from one tap of the kernel to the next.
    groups : int
        Splits the channels into independent groups; in_channels for a depthwise convolution.
    bias : bool
        If False, there is no b.
    init_weight : callable, optional
        ``init_weight(shape, rng=rng) -> array``, see `firstlight.nn.init`; PyTorch's default,
        uniform in ±1/√(kh kw C / groups).
    needs_dx : bool
        False for a model's first layer: skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values; the ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, kh, kw, in_channels / groups)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, H, W, in_channels), or too small.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section II.
    Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.Conv2d(1, 8, 3, padding="same")
    >>> layer(np.ones((2, 28, 28, 1), "float32")).shape
    (2, 28, 28, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        init_weight: Callable[..., Array] | None = None,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_channels("Conv2d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.padding = padding
        self.needs_dx = needs_dx
        self.window: Window = convolution_window(kernel_size, stride, padding, dilation)
        shape = (out_channels, *self.window.kernel, in_channels // groups)
        bound = math.prod(shape[1:]) ** -0.5
        if init_weight is None:
            weight = init.uniform(shape, -bound, bound, rng=rng)
        else:
            weight = init_weight(shape, rng=rng)
        self.weight: Parameter = Parameter(weight, torch_axes=(0, 3, 1, 2))
        self.bias: Parameter | None = (
            Parameter(init.uniform((out_channels,), -bound, bound, rng=rng)) if bias else None
        )

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        self.save(x)
        oh, ow = self.window.positions(x.shape[1:3])
        patches = im2col(x, self.window, self.groups)  # (G, N oh ow, K)
        y = patches @ self._kernels().swapaxes(1, 2)  # (G, N oh ow, O/G)
        y = join_groups(y, (len(x), oh, ow))  # (N, oh, ow, O)
        if self.bias is not None:
            y = y + self.bias.data
        return y

    @accelerated
    def backward(self, dy: Array) -> Array | Any:  # dy (N, oh, ow, O)
        (x,) = self.saved()
        patches = im2col(x, self.window, self.groups)  # (G, N oh ow, K); too large to save
        dy_rows = split_groups(dy, self.groups)  # (G, N oh ow, O/G)
        dw = dy_rows.swapaxes(1, 2) @ patches  # (G, O/G, K)
        self.weight.grad += dw.reshape(self.weight.shape)  # (O, kh, kw, C/G)
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=(0, 1, 2))  # (O,)
        if not self.needs_dx:
            return None
        dpatches = dy_rows @ self._kernels()  # (G, N oh ow, K)
        return col2im(dpatches, self.window, x.shape[1:3])  # (N, H, W, C)

    def _kernels(self):
        """Return W as one matrix for each group, (G, O/G, K)."""
        return self.weight.data.reshape(self.groups, self.out_channels // self.groups, -1)

    def check_input(self, x: Array) -> None:
        check_images("Conv2d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        check_fits("Conv2d", x, self.window)

    def flops(self, x: Array, y: Array) -> int:
        return 2 * y.size * self.weight.size // self.out_channels

    def extra_repr(self) -> str:
        kernel, stride, dilation, _, _ = self.window[:5]
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={kernel}, stride={stride}"]
        parts += [f"padding={self.padding!r}"] if self.padding else []
        parts += [f"dilation={dilation}"] if dilation != (1, 1) else []
        parts += [f"groups={self.groups}"] if self.groups > 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


def im2col(x: Array, window: Window, groups: int = 1) -> Array:
    """Return the pixels of each window as a row of numbers.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    window : firstlight.nn.window.Window
    groups : int
        G; the rows of a group have C/G channels.

    Returns
    -------
    array, shape (G, N oh ow, kh kw C/G)

    Examples
    --------
    A 2 × 2 window has four positions on a 3 × 3 image:

    >>> import numpy as np
    >>> from firstlight.nn.convolution import im2col
    >>> from firstlight.nn.window import Window
    >>> window = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))
    >>> im2col(np.arange(9).reshape(1, 3, 3, 1), window)[0]
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    n, h, w, c = x.shape
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    oh, ow = window.positions((h, w))
    padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))  # (N, H', W', C)
    patches = np.zeros_like(x, shape=(n, oh, ow, kh, kw, c))
    for i in range(kh):
        for j in range(kw):
            ys = slice(i * dh, i * dh + oh * sh, sh)
            xs = slice(j * dw, j * dw + ow * sw, sw)
            patches[:, :, :, i, j] = padded[:, ys, xs]  # (N, oh, ow, C)
    patches = patches.reshape(n * oh * ow, kh * kw, groups, c // groups)
    patches = patches.transpose(2, 0, 1, 3)  # (G, N oh ow, kh kw, C/G)
    return patches.reshape(groups, n * oh * ow, kh * kw * c // groups)


def col2im(patches: Array, window: Window, image: tuple[int, ...]) -> Array:
    """Return the transpose of `im2col`: add each number to the pixel that it was read from.

    Parameters
    ----------
    patches : array, shape (G, N oh ow, kh kw C/G)
    window : firstlight.nn.window.Window
    image : (int, int)
        H and W.

    Returns
    -------
    array, shape (N, H, W, C)
    """
    (h, w), (groups, rows, size) = image, patches.shape
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    oh, ow = window.positions((h, w))
    n, c = rows // (oh * ow), groups * size // (kh * kw)
    patches = patches.reshape(groups, n * oh * ow, kh * kw, c // groups)
    patches = patches.transpose(1, 2, 0, 3)  # (N oh ow, kh kw, G, C/G)
    patches = patches.reshape(n, oh, ow, kh, kw, c)
    (above, below), (left, right) = window.padding
    padded = np.zeros_like(patches, shape=(n, above + h + below, left + w + right, c))
    for i in range(kh):
        for j in range(kw):
            ys = slice(i * dh, i * dh + oh * sh, sh)
            xs = slice(j * dw, j * dw + ow * sw, sw)
            padded[:, ys, xs] += patches[:, :, :, i, j]  # (N, oh, ow, C)
    return padded[:, above : above + h, left : left + w]  # (N, H, W, C)


def split_groups(images: Array, groups: int) -> Array:
    """Return the pixels (N, h, w, C) of images as rows, (G, N h w, C/G)."""
    n, h, w, c = images.shape
    return images.reshape(n * h * w, groups, c // groups).swapaxes(0, 1)


def join_groups(rows: Array, shape: tuple[int, int, int]) -> Array:
    """Return images (N, h, w, C) for rows (G, N h w, C/G): the inverse of `split_groups`."""
    groups, _, channels = rows.shape
    return rows.swapaxes(0, 1).reshape(*shape, groups * channels)
