"""Checks that several layers share: inputs, arguments of windows, arguments of losses."""

from numbers import Integral
from typing import Any

import numpy as np

from firstlight.fast.window import Window
from firstlight.module import Module
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array


def check_dtype(layer: Module, x: Array, dtype: np.dtype[Any], name: str = "x") -> None:
    """Raise a TypeError unless an input has the dtype of the layer's parameters.

    Parameters
    ----------
    layer : Module
        Its class is named in the message.
    x : array
    dtype : numpy.dtype
    name : str
        Name of the input.
    """
    if x.dtype != dtype:
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


def check_fits(who: str, x: Array, window: Window) -> None:
    """Raise a ValueError unless the window fits on the padded x at least once."""
    for axis, name in enumerate(("height", "width")):
        if window.out(axis, x.shape[1 + axis]) < 1:
            raise ValueError(
                f"{who}: expected x with a {name} of {window.least(axis)} or more, for one window "
                f"to fit, got shape {x.shape}; use a smaller kernel_size or more padding"
            )


def reduced(loss: Any, losses: Array, total: Any) -> Array:
    """Return Σ losses / total, or the losses themselves if reduction is "none"."""
    return losses if loss.reduction == "none" else losses.sum() / total


def gradient_factor(loss: Any, dloss: Any, total: Any, shape: tuple[int, ...]) -> Any:
    """Return the factor of the gradient: dloss / total, or dloss if reduction is "none"."""
    if np.ndim(dloss) and (loss.reduction != "none" or dloss.shape != shape):
        or_each = f" or one for each loss, shape {shape}" if loss.reduction == "none" else ""
        raise ValueError(
            f"{type(loss).__name__}.backward: expected dloss as one number{or_each}, got shape "
            f"{dloss.shape}; this loss has reduction={loss.reduction!r}"
        )
    return dloss if loss.reduction == "none" else dloss / total


def check_reduction(who: str, reduction: str) -> None:
    """Raise a ValueError unless the reduction is "mean", "sum" or "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{who}: expected reduction "mean", "sum" or "none", got {reduction!r}')


def check_arrays(who: str, prediction: Array, target: Array) -> None:
    """Raise unless prediction is a floating array, target an array, and neither is empty."""
    for name, array in (("prediction", prediction), ("target", target)):
        if not hasattr(array, "dtype"):
            raise TypeError(
                f"{who}: expected {name} as an array, got {type(array).__name__}; "
                f"pass np.asarray({name})"
            )
    if prediction.dtype.kind != "f":
        raise TypeError(
            f"{who}: expected floating-point prediction, got {prediction.dtype}; the order is "
            "loss(prediction, target)"
        )
    if prediction.size == 0:
        raise ValueError(
            f"{who}: expected at least one sample, got an empty batch: prediction has shape "
            f"{prediction.shape}"
        )


def check_same_shape(who: str, prediction: Array, target: Array) -> None:
    """Raise as `check_arrays` does, and a ValueError unless both shapes are equal."""
    check_arrays(who, prediction, target)
    if prediction.shape != target.shape:
        cure = "the model's output and the targets must fit value by value"
        if prediction.size == target.size:
            cure = (
                f"they would broadcast, pairing every sample with every other: "
                f"use y.reshape({', '.join(map(str, (-1, *prediction.shape[1:])))})"
            )
        raise ValueError(
            f"{who}: expected target of prediction's shape {prediction.shape}, "
            f"got {target.shape}; {cure}"
        )
