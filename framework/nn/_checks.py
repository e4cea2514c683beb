"""Checks that several layers share: inputs, arguments of windows."""

from numbers import Integral
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn.window import Window
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array
from firstlight.support.half import is_half


def check_dtype(layer: Module, x: Array, dtype: np.dtype[Any], name: str = "x") -> None:
    """Raise a TypeError unless an input has the dtype of the layer's parameters.

    An activation in half precision will do, too.

    Parameters
    ----------
    layer : Module
        Its class is named in the message.
    x : array
    dtype : numpy.dtype
    name : str
        Name of the input.
    """
    if x.dtype != dtype and not is_half(x):
        cure = f"cast it with {name}.astype({dtype.name!r}), or the model with .to(dtype=...)"
        if x.dtype == "uint8":
            cure = (
                "bytes are unscaled pixels: take samples from splits, by loader or "
                f"index, which scale them, or write {name}.astype({dtype.name!r}) / 255"
            )
        raise TypeError(
            f"{type(layer).__name__}: expected {name} of dtype {dtype} (the layer's), got "
            f"{x.dtype}; {cure}"
        )


def check_positive(layer: Module, **sizes: int) -> None:
    """Raise a ValueError unless the sizes, arguments by name, are 1 or more."""
    if min(sizes.values()) < 1:
        names, got = " and ".join(sizes), " and ".join(map(str, sizes.values()))
        raise ValueError(f"{type(layer).__name__}: expected {names} of 1 or more, got {got}")


def check_probability(layer: Module, value: float, name: str = "a probability p") -> None:
    """Raise a ValueError unless an argument is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{type(layer).__name__}: expected {name} from 0 to 1, got {value}")


def check_last_axis(layer: Any, x: Array, size: str) -> None:
    """Raise a ValueError unless the last axis of x has the length ``layer.<size>``, or a TypeError.

    The dtype must be that of ``layer.weight``.
    """
    width, who = getattr(layer, size), type(layer).__name__
    if x.ndim < 1 or x.shape[-1] != width:
        cure = f"build it with {size}={x.shape[-1] if x.ndim else 1}"
        if x.ndim > 2:
            cure = f"flatten first, e.g. Sequential(Flatten(), {who}({width}, ...))"
        raise ValueError(
            f"{who}: expected x with last axis {width} ({size}), got shape {x.shape}; {cure}"
        )
    check_dtype(layer, x, layer.weight.dtype)


def check_axis(layer: Any, x: Array, argument: str) -> None:
    """Raise a ValueError unless x has the axis ``layer.<argument>``."""
    axis = getattr(layer, argument)
    if not -x.ndim <= axis < x.ndim:
        cure = "; pass a batch, e.g. x[None] for one sample" if axis > 0 else ""
        raise ValueError(
            f"{type(layer).__name__}: expected x with an axis {axis} ({argument}), got shape "
            f"{x.shape}{cure}"
        )


def check_rows(layer: Any, x: Array, size: str) -> None:
    """Raise an error unless x has integers from 0 to ``layer.<size>`` - 1 (NumPy arrays only)."""
    count, who = getattr(layer, size), type(layer).__name__
    if x.dtype.kind not in "iu":
        raise TypeError(
            f"{who}: expected integer indices, got {x.dtype}; cast with x.astype('int64')"
        )
    if isinstance(x, np.ndarray) and x.size and (x.min() < 0 or x.max() >= count):
        raise IndexError(
            f"{who}: expected indices from 0 to {count - 1}, got {x.min()} to {x.max()}; build it "
            f"with {size}={max(x.max() + 1, 1)} or more, and number from 0"
        )


def check_even(layer: Any, **sizes: int) -> None:
    """Raise a ValueError unless the sizes, arguments by name, are even and positive."""
    for name, size in sizes.items():
        if size < 2 or size % 2:
            raise ValueError(
                f"{type(layer).__name__}: expected an even {name}, for pairs of numbers, got {size}"
            )


def check_positions(layer: Any, x: Array, width: int) -> None:
    """Raise a ValueError unless x is (..., positions, width)."""
    if x.ndim < 2 or x.shape[-1] != width:
        raise ValueError(
            f"{type(layer).__name__}: expected x of shape (..., positions, {width}), "
            f"got shape {x.shape}"
        )


def check_padding(layer: Any, padding_idx: int | None, rows: int) -> None:
    """Raise a ValueError unless padding_idx is None or a row of the table, from either end."""
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(
            f"{type(layer).__name__}: expected padding_idx inside the table of {rows} rows, "
            f"got {padding_idx}"
        )


def no_bias_repr(layer: Any) -> str:
    """Return the part of the repr of a normalisation that has a weight but no bias."""
    return ", bias=False" if layer.weight is not None and layer.bias is None else ""


def pair(who: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """Return ``value`` as (vertical, horizontal); one number means both.

    Raises
    ------
    ValueError
        Not one or two integers of ``least`` or more.
    """
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    both = tuple(plain_number(number) for number in both)
    if len(both) != 2 or not all(isinstance(n, Integral) and n >= least for n in both):
        raise ValueError(
            f"{who}: expected {name} to be an integer of {least} or more, or a pair of them "
            f"(vertical, horizontal), got {value!r}"
        )
    return both


def check_channels(who: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Raise a ValueError unless all are positive and the channels can be split into groups."""
    if min(in_channels, out_channels, groups) < 1:
        raise ValueError(
            f"{who}: expected in_channels, out_channels and groups of 1 or more, got "
            f"{in_channels}, {out_channels} and {groups}"
        )
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{who}: expected in_channels={in_channels} and out_channels={out_channels} to be "
            f"multiples of groups={groups}; each group has its share of both"
        )


def check_images(who: str, x: Array, in_channels: int | None = None) -> None:
    """Raise a ValueError unless x is (N, H, W, C), of the layer's number of channels."""
    if x.ndim != 4 or (in_channels is not None and x.shape[3] != in_channels):
        expected = "C" if in_channels is None else in_channels
        cure = "add the missing axis, e.g. x[..., None] for grey images"
        if x.ndim == 4:
            cure = f"build it with in_channels={x.shape[3]}"
            if x.shape[1] == in_channels:
                cure = "from PyTorch's layout: x.transpose(0, 2, 3, 1)"
        raise ValueError(
            f"{who}: expected x of shape (N, H, W, {expected}), channels last, got {x.shape}; "
            f"{cure}"
        )


def check_pixels(who: str, x: Array) -> None:
    """Raise a ValueError unless images x (N, H, W, C) have pixels."""
    if 0 in x.shape[1:3]:
        raise ValueError(f"{who}: expected x with pixels, got shape {x.shape}")


def check_fits(who: str, x: Array, window: Window) -> None:
    """Raise a ValueError unless the window fits on the padded x at least once."""
    for axis, name in enumerate(("height", "width")):
        if window.out(axis, x.shape[1 + axis]) < 1:
            raise ValueError(
                f"{who}: expected x with a {name} of {window.least(axis)} or more, for one window "
                f"to fit, got shape {x.shape}; use a smaller kernel_size or more padding"
            )
