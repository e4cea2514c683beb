"""Arrays in nested tuples and batches, and the random directions along which they are moved."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeGuard

import numpy as np

from firstlight.support.array import Array

Batch = Any  # an array, or tuples, lists and dicts of arrays
TARGETS = ("y", "target", "targets", "label", "labels")  # their names in a batch that is a dict


def is_float(value: object) -> TypeGuard[Array]:
    """Return whether a value is a floating-point array."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def is_integer(value: object) -> TypeGuard[Array]:
    """Return whether a value is an array of integers."""
    return getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u")


def as_float64(value: Any) -> Any:
    """Return a floating-point array as a float64 copy, and a copy of anything else."""
    return value.astype("float64") if is_float(value) else copy.copy(value)


def root_mean_square(array: Array) -> float:
    """Return the root mean square of an array; 1 if it is all zero or empty."""
    return float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0


def standard_normal(rng: np.random.Generator, array: Array | float) -> Array:
    """Return standard normal numbers of an array's shape."""
    return np.asarray(rng.standard_normal(np.shape(array)))


def map_arrays(batch: Batch, function: Callable[[Any], Any]) -> Batch:
    """Apply a function to each array of a batch; lists become tuples."""
    if isinstance(batch, (tuple, list)):
        return tuple(map_arrays(part, function) for part in batch)
    if isinstance(batch, dict):
        return {name: map_arrays(part, function) for name, part in batch.items()}
    return function(batch)


def first_samples(batch: Batch, count: int) -> Batch:
    """Return the first samples of a batch."""
    return map_arrays(batch, lambda array: array[:count] if array.ndim else array)


def batch_parts(batch: Batch) -> tuple[Any, Any, Any]:
    """Return inputs, targets and mask of a batch; None for those it lacks."""
    if isinstance(batch, dict):
        y = next((batch[name] for name in TARGETS if name in batch), None)
        return next(iter(batch.values())), y, batch.get("mask")
    parts = batch if isinstance(batch, tuple) else (batch,)
    return (*parts, None, None)[:3]


def leaves(value: Any) -> list[Any]:
    """Return the values in nested tuples and lists, in order."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def nested_like(form: Any, values: Iterator[Any]) -> Any:
    """Return the values of an iterator, nested like ``form``."""
    if isinstance(form, (tuple, list)):
        return tuple(nested_like(part, values) for part in form)
    return next(values)


def match_shapes(arrays: Sequence[Any], candidates: Sequence[Any]) -> list[int | None]:
    """Return for each array the index of the first unused candidate of its shape, or None."""
    free, found = dict(enumerate(candidates)), []
    for array in arrays:
        index = next(
            (i for i, one in free.items() if is_float(one) and np.shape(array) == one.shape), None
        )
        free.pop(index, None)
        found.append(index if isinstance(array, np.ndarray) else None)
    return found
