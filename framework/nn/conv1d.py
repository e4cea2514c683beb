"""Conv1d and ConvTranspose1d: convolution of signals with kernels."""

from collections.abc import Callable

from numpy.random import Generator

from firstlight.nn._checks import check_channels, check_dtype
from firstlight.nn._signals import SignalLayer, across, check_length, check_signals
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.support.array import Array


class Conv1d(SignalLayer):
    """Convolve signals: each output position is the product of a kernel with a section.

    Formula, with stride s and dilation d; o counts kernels, c channels::

        y[n, l, o] = b_o + Σ_jc x[n, s l + d j, c] W[o, j, c]

    Gradient: by the chain rule, with one summand for each y that a number contributes to::

        dx[n, m, c] = Σ_ljo dy[n, l, o] W[o, j, c]        over l, j with s l + d j = m
        dW[o, j, c] = Σ_nl  dy[n, l, o] x[n, s l + d j, c]
        db_o        = Σ_nl  dy[n, l, o]

    That is a `Conv2d` of images with one row, which computes it.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int
        k, the number of taps.
    stride : int
        Positions from one window to the next.
    padding : int, "same" or "valid"
        Zeros on each side; "same" keeps the length (stride 1 only), "valid" adds none.
    dilation : int
        Positions from one tap of the kernel to the next.
    groups : int
        Splits the channels into independent groups; in_channels for a depthwise convolution.
    bias : bool
        If False, there is no b.
    init_weight : callable, optional
        As in `Conv2d`, for the shape of ``weight``.
    needs_dx : bool
        False for a model's first layer: skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values; the ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, 1, kernel_size, in_channels / groups)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, L, in_channels), or too short for a window.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Waibel et al., "Phoneme Recognition Using Time-Delay Neural Networks", 1989; with dilation: van
    den Oord et al., "WaveNet", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Conv1d(1, 8, 5, padding="same")(np.ones((2, 100, 1), "float32")).shape
    (2, 100, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        init_weight: Callable[..., Array] | None = None,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_channels("Conv1d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.needs_dx = needs_dx
        kernel = across("Conv1d", "kernel_size", kernel_size, 1, 1)
        steps = across("Conv1d", "stride", stride, 1, 1)
        dilations = across("Conv1d", "dilation", dilation, 1, 1)
        if padding == "same" and steps != (1, 1):
            raise ValueError(
                f'Conv1d: expected stride 1 with padding="same", got stride={stride}; pass the '
                "padding as a number, e.g. kernel_size // 2"
            )
        zeros = padding
        if padding not in ("same", "valid"):
            zeros = across("Conv1d", "padding", padding, 0, 0) if padding else 0
        options = {"init_weight": init_weight, "needs_dx": needs_dx, "rng": rng}
        sizes = in_channels, out_channels, kernel, steps, zeros, dilations, groups, bias
        self.images: Conv2d = Conv2d(*sizes, **options)
        self.share_parameters()

    def check_input(self, x: Array) -> None:
        check_signals("Conv1d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        check_length("Conv1d", x, self.images.window)


class ConvTranspose1d(SignalLayer):
    """Add a kernel for each position of x, ``stride`` positions apart, weighted by x.

    Formula, for stride s and padding p, which crops p positions from each end of the output::

        y[n, s l + j - p, o] = b_o + Σ_c x[n, l, c] W[c, j, o]

    with the sum over all (l, j) with this position of y: how `Conv1d` computes dx from dy.

    Gradient: dx is a convolution of dy with the kernels, and dW a sum over all positions::

        dx[n, l, c] = Σ_jo dy[n, s l + j - p, o] W[c, j, o]
        dW[c, j, o] = Σ_nl x[n, l, c] dy[n, s l + j - p, o]
        db_o        = Σ_nm dy[n, m, o]

    That is a `ConvTranspose2d` of images with one row, which computes it.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int
        k, the number of taps.
    stride : int
        Ratio of the lengths of y and x, approximately.
    padding : int
        Positions cropped on each side.
    output_padding : int
        Additional positions at the end. `Conv1d` with a stride maps signals of several lengths to
        one length; this selects the length to return to.
    groups : int
        Splits the channels into independent groups.
    bias : bool
        If False, there is no b.
    dilation : int
        Positions from one tap of the kernel to the next.
    needs_dx : bool
        False for a model's first layer: skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values; the ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (in_channels, 1, kernel_size, out_channels / groups)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, L, in_channels), or y has no positions.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.ConvTranspose1d(8, 1, 4, stride=2, padding=1)(np.ones((2, 50, 8), "float32")).shape
    (2, 100, 1)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
        *,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        who = "ConvTranspose1d"
        check_channels(who, in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.needs_dx = needs_dx
        kernel = across(who, "kernel_size", kernel_size, 1, 1)
        steps = across(who, "stride", stride, 1, 1)
        cropped = across(who, "padding", padding, 0, 0)
        extra = across(who, "output_padding", output_padding, 0, 0)
        dilations = across(who, "dilation", dilation, 1, 1)
        if extra[1] >= max(steps[1], dilations[1]):
            raise ValueError(
                f"{who}: expected output_padding below stride or dilation, got output_padding="
                f"{output_padding} with stride={stride} and dilation={dilation}"
            )
        sizes = in_channels, out_channels, kernel, steps, cropped, extra, groups, bias, dilations
        self.images: ConvTranspose2d = ConvTranspose2d(*sizes, needs_dx=needs_dx, rng=rng)
        self.share_parameters()

    def check_input(self, x: Array) -> None:
        check_signals("ConvTranspose1d", x, self.in_channels)
        check_dtype(self, x, self.weight.dtype)
        length = self.images.window.image((1, x.shape[1]))[1]
        if length < 1:
            raise ValueError(
                f"ConvTranspose1d: expected x long enough for y to have positions, got shape "
                f"{x.shape}, which makes y {length} long; use less padding"
            )
