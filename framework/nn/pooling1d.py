"""Max, average and adaptive average pooling of signals."""

from typing import Any

from firstlight.nn._signals import SignalLayer, across, check_length, check_signals
from firstlight.nn.adaptive_pooling import AdaptiveAvgPool2d
from firstlight.nn.pooling import AvgPool2d, MaxPool2d
from firstlight.support.array import Array


class MaxPool1d(SignalLayer):
    """Return the largest value of each window, for each channel.

    Formula::

        y[n, l, c] = max_j x[n, s l + j, c]        j < k

    Gradient: y depends on the largest value only (the first of equal ones)::

        dx[n, s l + j, c] = dy[n, l, c] at that position j, else 0

    summed over windows that overlap. That is a `MaxPool2d` of images with one row, which computes
    it.

    Parameters
    ----------
    kernel_size : int
        k.
    stride : int, optional
        s, positions from one window to the next; ``kernel_size`` by default.
    padding : int
        Positions of -∞ on each side; at most half the kernel.
    dilation : int
        Positions from one position of the window to the next.
    ceil_mode : bool
        If True, a last window may extend over the end, so that no position is skipped.

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, L, C), or too short.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.MaxPool1d(2)(np.array([1.0, 5.0, 3.0, 2.0]).reshape(1, 4, 1)).ravel()
    array([5., 3.])
    """

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        dilation: int = 1,
        *,
        ceil_mode: bool = False,
    ):
        sizes = _sizes("MaxPool1d", kernel_size, stride, padding)
        dilations = across("MaxPool1d", "dilation", dilation, 1, 1)
        self.images: MaxPool2d = MaxPool2d(*sizes, dilations, ceil_mode=ceil_mode)

    def check_input(self, x: Array) -> None:
        check_signals("MaxPool1d", x)
        check_length("MaxPool1d", x, self.images.window)


class AvgPool1d(SignalLayer):
    """Return the mean of each window, for each channel.

    Formula and gradient; each position has weight 1/k in every window that contains it::

        y[n, l, c]        = 1/k Σ_j x[n, s l + j, c]
        dx[n, s l + j, c] = 1/k Σ dy[n, l, c] over these windows

    If a window counts fewer positions, their number replaces k. That is an `AvgPool2d` of images
    with one row, which computes it.

    Parameters
    ----------
    kernel_size : int
        k.
    stride : int, optional
        s, positions from one window to the next; ``kernel_size`` by default.
    padding : int
        Zeros on each side; at most half the kernel.
    ceil_mode : bool
        If True, a last window may extend over the end; positions there never count.
    count_include_pad : bool
        If False, the zeros on the sides are not counted.

    Raises
    ------
    ValueError
        Invalid arguments; x is not (N, L, C), or too short.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.AvgPool1d(2)(np.arange(4.0).reshape(1, 4, 1)).ravel()
    array([0.5, 2.5])
    """

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        sizes = _sizes("AvgPool1d", kernel_size, stride, padding)
        self.images: AvgPool2d = AvgPool2d(*sizes, ceil_mode, count_include_pad)

    def check_input(self, x: Array) -> None:
        check_signals("AvgPool1d", x)
        check_length("AvgPool1d", x, self.images.window)


class AdaptiveAvgPool1d(SignalLayer):
    """Average cells of x so that y has a given length; 1 gives the mean over all positions.

    Formula; cell m of y is the mean of positions start ... stop - 1, and cells overlap if the
    lengths do not divide::

        start = ⌊m L / l⌋        stop = ⌈(m + 1) L / l⌉

    Gradient: dy of a cell is divided equally among its positions.

    Parameters
    ----------
    output_size : int
        l.

    Raises
    ------
    ValueError
        An output_size below 1; x is not (N, L, C), or has no positions.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.AdaptiveAvgPool1d(2)(np.ones((5, 7, 3), "float32")).shape
    (5, 2, 3)
    """

    def __init__(self, output_size: int):
        size = across("AdaptiveAvgPool1d", "output_size", output_size, 1, 1)
        self.images: AdaptiveAvgPool2d = AdaptiveAvgPool2d(size)

    def check_input(self, x: Array) -> None:
        check_signals("AdaptiveAvgPool1d", x)
        if not x.shape[1]:
            raise ValueError(f"AdaptiveAvgPool1d: expected x with positions, got shape {x.shape}")


def _sizes(who: str, kernel_size: int, stride: int | None, padding: int) -> tuple[Any, ...]:
    """Return kernel, stride and padding of a window in one row."""
    kernel = across(who, "kernel_size", kernel_size, 1, 1)
    step = kernel if stride is None else across(who, "stride", stride, 1, 1)
    zeros = across(who, "padding", padding, 0, 0)
    if 2 * zeros[1] > kernel[1]:
        raise ValueError(
            f"{who}: expected a padding of half the kernel_size at most, got padding={padding} "
            f"with kernel_size={kernel_size}; a window must see the signal"
        )
    return kernel, step, zeros
