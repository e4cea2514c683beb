"""Checks that the normalisations share."""

import math
from typing import Any

from firstlight.nn._checks import check_dtype
from firstlight.support.array import Array


def check_momentum(layer: Any, momentum: float | None) -> None:
    """Raise a ValueError unless the momentum of running statistics is from 0 to 1."""
    if momentum is None or not 0 <= momentum <= 1:
        raise ValueError(f"{type(layer).__name__}: expected a momentum from 0 to 1, got {momentum}")


def check_groups(layer: Any, num_groups: int, num_channels: int) -> None:
    """Raise a ValueError unless the channels can be split into equal groups."""
    if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
        raise ValueError(
            f"{type(layer).__name__}: expected num_groups of 1 or more that divides num_channels, "
            f"got {num_groups} groups of {num_channels} channels"
        )


def check_channels_last(layer: Any, x: Array, size: str, layouts: dict[int, str]) -> None:
    """Raise unless x has ``layer.<size>`` channels on its last axis, and the layer's dtype.

    Parameters
    ----------
    layer : Module
    x : array
    size : str
        Name of the argument for the number of channels.
    layouts : dict
        Numbers of axes that x may have, and the names of those before the channels, such as
        ``{4: "N, H, W"}`` for images.

    Raises
    ------
    ValueError
        x has another shape.
    TypeError
        x has another dtype than the weight or the running statistics.
    """
    channels = getattr(layer, size)
    if x.ndim not in layouts or x.shape[-1] != channels:
        expected = " or ".join(f"({axes}, {channels})" for axes in layouts.values())
        raise ValueError(
            f"{type(layer).__name__}: expected x of shape {expected}, channels last, "
            f"got {x.shape}; build it with {size}=x.shape[-1]"
        )
    state = layer.weight or getattr(layer, "running_mean", None)
    if state is not None:
        check_dtype(layer, x, state.data.dtype)


def check_last_axes(layer: Any, x: Array) -> None:
    """Raise unless the last axes of x are ``layer.normalized_shape``, and its dtype the weight's.

    Raises
    ------
    ValueError
        x has other last axes.
    TypeError
        x has another dtype.
    """
    who, shape = type(layer).__name__, layer.normalized_shape
    if x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{who}: expected x whose last axes are {shape} (normalized_shape), "
            f"got shape {x.shape}; build it as {who}({x.shape[-1] if x.ndim else 1})"
        )
    if layer.weight is not None:
        check_dtype(layer, x, layer.weight.dtype)


def check_count(layer: Any, x: Array, count: int) -> None:
    """Raise a ValueError unless a batch has more than 1 value per channel."""
    if count <= 1:
        raise ValueError(
            f"{type(layer).__name__}: expected more than 1 value per channel when training, got x "
            f"of shape {x.shape}; use larger batches, or drop_last=True in the DataLoader"
        )


def check_pixels(layer: Any, x: Array) -> None:
    """Raise a ValueError unless images (N, H, W, C) have more than 1 pixel."""
    if math.prod(x.shape[1:-1]) <= 1:
        raise ValueError(
            f"{type(layer).__name__}: expected images of more than 1 pixel, got x of shape "
            f"{x.shape}; normalise before the map has shrunk to one pixel, or use LayerNorm"
        )


def check_any_images(layer: Any, x: Array) -> None:
    """Raise a ValueError if a batch is empty, which has no statistics to track."""
    if not len(x):
        raise ValueError(
            f"{type(layer).__name__}: expected an image at least to track the statistics of, got "
            f"x of shape {x.shape}; leave empty batches out of training"
        )
