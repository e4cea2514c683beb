"""Checks of the recurrent layers: sizes, inputs and states."""

from typing import Any

import numpy as np

from firstlight.nn._checks import check_dtype
from firstlight.support.array import Array


def check_sequences(layer: Any, x: Array, axes: int, dtype: np.dtype[Any]) -> None:
    """Raise a ValueError or TypeError unless x is (N, I), or (N, T, I) with a step."""
    name, width = type(layer).__name__, layer.input_size
    if x.ndim != axes or x.shape[-1] != width or 0 in x.shape[1:]:
        layout = f"(N, {width})" if axes == 2 else f"(N, T, {width}) with T of 1 or more"
        raise ValueError(
            f"{name}: expected x of shape {layout}, got {x.shape}; the samples come first, and the "
            "last axis is input_size"
        )
    check_dtype(layer, x, dtype)


def state_parts(layer: Any, state: Any, like: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Return a state, or its gradient, as a tuple of its parts; zeros for None.

    Parameters
    ----------
    layer : Module
        With the attribute ``parts``, their number.
    state : array, tuple of arrays or None
    like : array
        Has the dtype and the device of the zeros.
    shape : tuple of int
        Shape of each part.

    Raises
    ------
    ValueError
        The state has another number of parts, or a part another shape.
    """
    if state is None:
        return tuple(np.zeros_like(like, shape=shape) for _ in range(layer.parts))
    parts = tuple(state) if layer.parts > 1 else (state,)
    found = [getattr(part, "shape", type(part).__name__) for part in parts]
    if found != [shape] * layer.parts:
        expected = f"a pair (h, c) of arrays of shape {shape}" if layer.parts > 1 else str(shape)
        raise ValueError(
            f"{type(layer).__name__}: expected a state of shape {expected}, got {found}; pass "
            "layer.state of an earlier forward, or leave it out for zeros"
        )
    return parts
