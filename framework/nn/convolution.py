"""Conv2d: convolution of images with kernels."""

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from firstlight import fast
from firstlight.fast.window import Window
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_channels, check_dtype, check_fits, check_images, pair
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class Conv2d(Module):
    """Convolve images: each output pixel is the product of a kernel with a patch.

    Formula, for stride 1 and no padding; o counts kernels, c channels::

        y[n, h, w, o] = b_o + Σ_ijc x[n, h + i, w + j, c] W[o, i, j, c]

    The patch at (h, w) and a kernel are rows of kh · kw · C numbers each. So with all patches as
    the rows of a matrix P(x), this is a `Linear` layer (see `firstlight.fast.blocked.patches`)::

        y = P(x) Wᵀ + b         P (N oh ow, kh kw C), W (O, kh kw C), y (N oh ow, O)

    Gradient: for W and b that of `Linear`. A pixel of x is in kh · kw patches, once under each tap
    of the kernel. It contributes to y[h - i, w - j] with weight W[i, j], so its gradient is the
    sum::

        db = Σ dy        dW = dyᵀ P(x)
        dx[n, h, w, c] = Σ_ijo dy[n, h - i, w - j, o] W[o, i, j, c]

    So for each tap (i, j), one product adds to the pixels that it saw::

        dx[n, h + i, w + j] += dy[n, h, w] W_ij        W_ij (O, C)

    and with stride s these are the pixels (s h + i, s w + j).

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
        kernel = pair("Conv2d", "kernel_size", kernel_size, 1)
        stride = pair("Conv2d", "stride", stride, 1)
        dilation = pair("Conv2d", "dilation", dilation, 1)
        before, after = _zeros_around(padding, kernel, stride, dilation)
        self.window: Window = fast.Window(kernel, stride, dilation, before, after)
        bound = (kernel[0] * kernel[1] * in_channels // groups) ** -0.5
        shape = (out_channels, *kernel, in_channels // groups)
        if init_weight is None:
            weight = init.uniform(shape, -bound, bound, rng=rng)
        else:
            weight = init_weight(shape, rng=rng)
        self.weight: Parameter = Parameter(weight, torch_axes=(0, 3, 1, 2))
        self.bias: Parameter | None = (
            Parameter(init.uniform((out_channels,), -bound, bound, rng=rng)) if bias else None
        )

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        check_images("Conv2d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        check_fits("Conv2d", x, self.window)
        self.save(x)
        bias = None if self.bias is None else self.bias.data
        return fast.conv2d(x, self.weight.data, bias, self.window, self.groups)  # (N, oh, ow, O)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, oh, ow, O)
        (x,) = self.saved()
        image = x.shape[1:3]  # (H, W)
        out = tuple(self.window.out(axis, image[axis]) for axis in (0, 1))  # (oh, ow)
        self.check_dy(dy, (len(x), *out, self.out_channels))
        self.weight.grad += fast.conv2d_dw(x, dy, self.window, self.groups)  # (O, kh, kw, C)
        if self.bias is not None:
            self.bias.grad += fast.channel_sums(dy)  # (O,)
        if not self.needs_dx:
            return None
        return fast.conv2d_dx(dy, self.weight.data, self.window, image, self.groups)  # (N, H, W, C)

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


def _zeros_around(padding, kernel, stride, dilation):
    """Return the zeros (above, left) and (below, right) of a padding argument."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(
                f'Conv2d: expected stride 1 with padding="same", got stride={stride}; '
                "pass the padding as a number, e.g. kernel_size // 2"
            )
        both = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
        before = tuple(zeros // 2 for zeros in both)
        return before, tuple(zeros - first for zeros, first in zip(both, before, strict=True))
    if isinstance(padding, str):
        raise ValueError(
            f'Conv2d: expected padding to be a number, a pair, "same" or "valid", got {padding!r}'
        )
    padding = pair("Conv2d", "padding", padding, 0)
    return padding, padding
