"""Half precision in memory: the dtype of activations and their gradients on a GPU, if it has one.

With precision "16" and "bf16", the forms of products write their outputs as float16 or bfloat16,
and other forms on a GPU read and write what comes so. All of them compute in float32, in which
weights, their gradients and losses stay. What has no such form gets its inputs in float32.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from firstlight.support.extras import require

_state = {"dtype": None}


def dtype_of(precision: str) -> Any:
    """Return the dtype of activations with a precision, or None if it is that of the weights.

    Raises
    ------
    ImportError
        bfloat16 without the package ml_dtypes.
    """
    if precision == "bf16":
        extras = {"extra": "cuda12", "instead": "'firstlight[cuda13]' with CUDA 13"}
        require('precision="bf16"', "ml_dtypes", **extras)
        from ml_dtypes import bfloat16

        return np.dtype(bfloat16)
    return np.dtype("float16") if precision == "16" else None


@contextmanager
def storing(dtype: Any) -> Iterator[None]:
    """Store activations on GPUs as ``dtype``, within the context; None for that of the weights."""
    before, _state["dtype"] = _state["dtype"], None if dtype is None else np.dtype(dtype)
    try:
        yield
    finally:
        _state["dtype"] = before


def stored() -> Any:
    """Return the dtype of activations on GPUs, or None."""
    return _state["dtype"]


def is_half(x: Any) -> bool:
    """Return True for an activation, or a gradient of one, in half precision."""
    dtype = _state["dtype"]
    return dtype is not None and getattr(x, "dtype", None) == dtype


def inputs_of(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a module's inputs, in float32 if neither forms nor modules below look after that."""
    if _state["dtype"] is None or hasattr(type(module).forward, "__wrapped__"):
        return inputs
    is_layer = next(islice(module.modules(), 1, None), None) is None
    return tuple(map(single, inputs)) if is_layer else inputs


def single(x: Any) -> Any:
    """Return x, as float32 if it is an activation in half precision."""
    return x.astype("float32") if is_half(x) else x
