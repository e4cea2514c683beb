"""ConvTranspose2d: the transpose of a convolution, from small images to large ones."""

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_channels, check_dtype, check_images
from firstlight.nn._windows import transposed_window
from firstlight.nn.convolution import col2im, im2col, join_groups, split_groups
from firstlight.nn.window import Window
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class ConvTranspose2d(Module):
    """Add a kernel for each pixel of x, ``stride`` pixels apart, weighted by the pixel.

    Formula, for stride s and padding p, which crops p pixels from each edge of the output::

        y[n, s h + i - p, s w + j - p, o] = b_o + Σ_c x[n, h, w, c] W[c, i, j, o]

    with the sum over all (h, i) and (w, j) with this pixel of y. That is how `Conv2d` computes dx
    from dy: with the rows of x and W as matrices, x W are K = kh · kw · O numbers for each window
    on y, which `firstlight.nn.convolution.col2im`, the transpose Pᵀ of the patches, adds up::

        y = Pᵀ(x W) + b         x (N H W, C), W (C, K), y (N, oh, ow, O)

    Gradient: that of a sum is a copy, so dL/d(x W) = P(dy), the patches of dy. The rest is a matrix
    product as in `Linear`, and dx a plain convolution of dy with the kernels::

        dx = P(dy) Wᵀ        dW = xᵀ P(dy)        db = Σ dy
        dx[n, h, w, c] = Σ_ijo dy[n, s h + i - p, s w + j - p, o] W[c, i, j, o]

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
        self.window: Window = transposed_window(
            kernel_size, stride, padding, output_padding, dilation
        )  # on y, not on x
        shape = (in_channels, *self.window.kernel, out_channels // groups)
        bound = math.prod(shape[1:]) ** -0.5
        self.weight: Parameter = Parameter(
            init.uniform(shape, -bound, bound, rng=rng), torch_axes=(0, 3, 1, 2)
        )
        self.bias: Parameter | None = (
            Parameter(init.uniform((out_channels,), -bound, bound, rng=rng)) if bias else None
        )

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        self.save(x)
        x_rows = split_groups(x, self.groups)  # (G, N H W, C/G)
        patches = x_rows @ self._kernels()  # (G, N H W, K)
        y = col2im(patches, self.window, self.window.image(x.shape[1:3]))  # (N, oh, ow, O)
        if self.bias is not None:
            y = y + self.bias.data
        return y

    @accelerated
    def backward(self, dy: Array) -> Array | Any:  # dy (N, oh, ow, O)
        (x,) = self.saved()
        dpatches = im2col(dy, self.window, self.groups)  # (G, N H W, K)
        x_rows = split_groups(x, self.groups)  # (G, N H W, C/G)
        dw = x_rows.swapaxes(1, 2) @ dpatches  # (G, C/G, K)
        self.weight.grad += dw.reshape(self.weight.shape)  # (C, kh, kw, O/G)
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=(0, 1, 2))  # (O,)
        if not self.needs_dx:
            return None
        dx_rows = dpatches @ self._kernels().swapaxes(1, 2)  # (G, N H W, C/G)
        return join_groups(dx_rows, x.shape[:3])  # (N, H, W, C)

    def _kernels(self):
        """Return W as one matrix for each group, (G, C/G, K)."""
        return self.weight.data.reshape(self.groups, self.in_channels // self.groups, -1)

    def check_input(self, x: Array) -> None:
        check_images("ConvTranspose2d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        oh, ow = self.window.image(x.shape[1:3])
        if min(oh, ow) < 1:
            raise ValueError(
                f"ConvTranspose2d: expected x large enough for y to have pixels, got shape "
                f"{x.shape}, which makes y {oh} × {ow}; use less padding"
            )

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
