"""ConvTranspose2d: the transpose of a convolution, from small images to large ones."""

from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight import fast
from firstlight.fast.window import Window
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_channels, check_dtype, check_images, pair
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class ConvTranspose2d(Module):
    """Add a kernel for each pixel of x, ``stride`` pixels apart, weighted by the pixel.

    Formula, for stride s and padding p, which crops p pixels from each edge of the output::

        y[n, s h + i - p, s w + j - p, o] = b_o + Σ_c x[n, h, w, c] W[c, i, j, o]

    with the sum over all (h, i) and (w, j) with this pixel of y. That is how `Conv2d` computes dx
    from dy.

    Gradient: dx is a plain convolution of dy with the kernels::

        dx[n, h, w, c] = Σ_ijo dy[n, s h + i - p, s w + j - p, o] W[c, i, j, o]
        dW = xᵀ P(dy)        db = Σ dy        P: all patches, as in `Conv2d`

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or (int, int)
        kh and kw.
    stride : int or (int, int)
        Ratio of the sizes of y and x, approximately.
    padding : int or (int, int)
        Pixels cropped on each side.
    output_padding : int or (int, int)
        Additional rows at the bottom and columns at the right. `Conv2d` with a stride maps images
        of several sizes to one size; this selects the size to return to.
    groups : int
        Splits the channels into independent groups.
    bias : bool
        If False, there is no b.
    dilation : int or (int, int)
        Pixels from one tap of the kernel to the next.
    needs_dx : bool
        False for a model's first layer: skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values, uniform in ±1/√(kh kw O / groups) as in PyTorch; the
        ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (in_channels, kh, kw, out_channels / groups)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, H, W, in_channels), or y has no pixels.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Zeiler et al., "Deconvolutional Networks", 2010. Dumoulin & Visin, "A guide to convolution
    arithmetic for deep learning", 2016, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1)
    >>> layer(np.ones((2, 14, 14, 8), "float32")).shape
    (2, 28, 28, 1)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        *,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_channels("ConvTranspose2d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.needs_dx = needs_dx
        kernel = pair("ConvTranspose2d", "kernel_size", kernel_size, 1)
        stride = pair("ConvTranspose2d", "stride", stride, 1)
        dilation = pair("ConvTranspose2d", "dilation", dilation, 1)
        padding = pair("ConvTranspose2d", "padding", padding, 0)
        extra = pair("ConvTranspose2d", "output_padding", output_padding, 0)
        if any(e >= max(steps) for e, *steps in zip(extra, stride, dilation, strict=True)):
            raise ValueError(
                "ConvTranspose2d: expected output_padding below stride or dilation, got "
                f"output_padding={extra} with stride={stride} and dilation={dilation}"
            )
        after = tuple(p - e for p, e in zip(padding, extra, strict=True))
        self.window: Window = fast.Window(
            kernel, stride, dilation, padding, after
        )  # on y, not on x
        bound = (kernel[0] * kernel[1] * out_channels // groups) ** -0.5
        shape = (in_channels, *kernel, out_channels // groups)
        self.weight: Parameter = Parameter(
            init.uniform(shape, -bound, bound, rng=rng), torch_axes=(0, 3, 1, 2)
        )
        self.bias: Parameter | None = (
            Parameter(init.uniform((out_channels,), -bound, bound, rng=rng)) if bias else None
        )

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        check_images("ConvTranspose2d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        image = self._image(x)  # (oh, ow)
        self.save(x)
        y = fast.conv2d_dx(x, self.weight.data, self.window, image, self.groups)
        if self.bias is not None:
            y += self.bias.data
        return y  # (N, oh, ow, O)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, oh, ow, O)
        (x,) = self.saved()
        self.check_dy(dy, (len(x), *self._image(x), self.out_channels))
        self.weight.grad += fast.conv2d_dw(dy, x, self.window, self.groups)  # (C, kh, kw, O)
        if self.bias is not None:
            self.bias.grad += fast.channel_sums(dy)  # (O,)
        if not self.needs_dx:
            return None
        return fast.conv2d(dy, self.weight.data, None, self.window, self.groups)  # (N, H, W, C)

    def _image(self, x):
        """Return height and width of y, on which the window has H and W positions."""
        steps = zip(x.shape[1:3], self.window.stride, strict=True)
        image = tuple(
            (size - 1) * stride + self.window.least(axis)
            for axis, (size, stride) in enumerate(steps)
        )
        if min(image) < 1:
            raise ValueError(
                f"ConvTranspose2d: expected x large enough for y to have pixels, got shape "
                f"{x.shape}, which makes y {image[0]} × {image[1]}; use less padding"
            )
        return image

    def flops(self, x: Array, y: Array) -> int:
        return 2 * np.size(x) * self.weight.size // self.in_channels

    def extra_repr(self) -> str:
        kernel, stride, dilation, padding, after = self.window[:5]
        extra = tuple(p - a for p, a in zip(padding, after, strict=True))
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={kernel}, stride={stride}"]
        parts += [f"padding={padding}"] if any(padding) else []
        parts += [f"output_padding={extra}"] if any(extra) else []
        parts += [f"groups={self.groups}"] if self.groups > 1 else []
        parts += [f"dilation={dilation}"] if dilation != (1, 1) else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)
