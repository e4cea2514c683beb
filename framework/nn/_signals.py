"""Base class of layers of signals (N, L, C), computed as images of one row, and its checks."""

import re
from numbers import Integral
from typing import Any

from firstlight.module import Module
from firstlight.nn.window import Window
from firstlight.parameter import Parameter
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array


class SignalLayer(Module):
    """Compute a layer of images on x (N, L, C) as images (N, 1, L, C), with kernels of one row.

    A sum over one row is a sum over its only index, so formula and gradient are those of the image
    layer without i and h. All its faster forms apply.

    Attributes
    ----------
    images : Module
        The layer of images; its parameters are this layer's, under this layer's names.
    """

    images: Any
    indivisible: bool = True

    def forward(self, x: Array) -> Array:  # x (N, L, C)
        self.check_input(x)
        y = self.images(x[:, None])[:, 0]  # (N, l, O)
        self.save(y.shape)
        return y

    def backward(self, dy: Array) -> Array | Any:  # dy (N, l, O)
        (shape,) = self.saved()
        self.check_dy(dy, shape)
        dx = self.images.backward(dy[:, None])  # (N, 1, L, C)
        return None if dx is None else dx[:, 0]

    def share_parameters(self) -> None:
        """Name the parameters of ``images`` as PyTorch does, with its kernels (·, ·, k)."""
        self.weight: Parameter = self.images.weight
        self.bias: Parameter | None = self.images.bias
        outer, _, taps, inner = self.weight.shape
        self.weight.torch_shape = (outer, inner, taps)

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layer of images

    def extra_repr(self) -> str:
        return re.sub(r"\([01], (\d+)\)", r"\1", self.images.extra_repr())

    def __repr__(self) -> str:
        return f"{self._name}({self.extra_repr()})"


def across(who: str, name: str, value: Any, least: int, down: int) -> tuple[int, int]:
    """Return a number of positions as (down, value), for images of one row.

    Raises
    ------
    ValueError
        Not an integer of ``least`` or more.
    """
    if isinstance(value, (tuple, list)) and len(value) == 1:
        (value,) = value
    value = plain_number(value)
    if not isinstance(value, Integral) or value < least:
        raise ValueError(
            f"{who}: expected {name} to be an integer of {least} or more, got {value!r}"
        )
    return down, value


def check_signals(who: str, x: Array, in_channels: int | None = None) -> None:
    """Raise a ValueError unless x is (N, L, C), of the layer's number of channels."""
    if x.ndim == 3 and in_channels in (None, x.shape[2]):
        return
    expected = "C" if in_channels is None else in_channels
    cure = "add the missing axis, e.g. x[..., None] for one channel"
    if x.ndim == 3:
        cure = f"build it with in_channels={x.shape[2]}"
        if x.shape[1] == in_channels:
            cure = "from PyTorch's layout: x.transpose(0, 2, 1)"
    raise ValueError(
        f"{who}: expected x of shape (N, L, {expected}), channels last, got {x.shape}; {cure}"
    )


def check_length(who: str, x: Array, window: Window) -> None:
    """Raise a ValueError unless the window fits on the padded x (N, L, C) at least once."""
    if window.out(1, x.shape[1]) < 1:
        raise ValueError(
            f"{who}: expected x with a length of {window.least(1)} or more, for one window to fit, "
            f"got shape {x.shape}; use a smaller kernel_size or more padding"
        )
