"""Arrays in nested tuples and batches, and the random directions along which they are moved."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeGuard

import numpy as np

from firstlight.support.array import Array

SAMPLES, SEQUENCES = 5, 3  # for the gradients: few, and not a number that is usual elsewhere
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
    """Apply a function to each value in nested tuples, lists and dicts, which keep their class."""
    return nested_like(batch, map(function, flattened(batch)))


def first_samples(batch: Batch, count: int) -> Batch:
    """Return the first samples of a batch; arrays without samples axis stay whole.

    Arrays that are as long as the inputs have a sample in each row.
    """
    x = flattened(batch_parts(batch)[0])[0]
    length = len(x) if np.ndim(x) else 0

    def cut(array: Any) -> Any:
        return array[:count] if np.ndim(array) and len(array) == length else array

    return map_arrays(batch, cut)


def are_tokens(x: Any) -> bool:
    """Return whether inputs are sequences of tokens."""
    return is_integer(x) and x.ndim > 1


def small_batch(batch: Batch) -> Batch:
    """Return the first samples of a batch, few enough to run hundreds of times."""
    return first_samples(batch, samples_of(flattened(batch_parts(batch)[0])[0]))


def samples_of(x: Any) -> int:
    """Return how many samples of an input are few enough to run hundreds of times."""
    return SEQUENCES if are_tokens(x) or np.size(x[:1]) > 2000 else SAMPLES


def batch_parts(batch: Batch) -> tuple[Any, Any, Any]:
    """Return inputs, targets and mask of a batch; None for those it lacks."""
    if isinstance(batch, dict):
        y = next((batch[name] for name in TARGETS if name in batch), None)
        return next(iter(batch.values()), None), y, batch.get("mask")
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return (*parts, None, None)[:3]


def flattened(value: Any) -> list[Any]:
    """Return the values in nested tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in flattened(part)]
    return [value]


def nested_like(form: Any, values: Iterator[Any]) -> Any:
    """Return the values of an iterator, nested like ``form``."""
    if isinstance(form, dict):
        return {name: nested_like(part, values) for name, part in form.items()}
    if isinstance(form, (tuple, list)):
        parts = [nested_like(part, values) for part in form]
        if hasattr(form, "_fields"):  # a named tuple
            return type(form)(*parts)
        return parts if isinstance(form, list) else tuple(parts)
    return next(values)


def match_shapes(arrays: Sequence[Any], candidates: Sequence[Any]) -> list[int | None]:
    """Return for each array the index of the first unused candidate of its shape, or None."""
    free, found = dict(enumerate(candidates)), []
    for array in arrays:
        index = next(
            (i for i, one in free.items() if is_float(one) and np.shape(array) == one.shape), None
        )
        free.pop(index, None)
        found.append(index if isinstance(array, (np.ndarray, np.floating, float)) else None)
    return found


def is_multiple(array: Array, other: Array) -> bool:
    """Return whether an array is a number times another one of its shape."""
    if np.shape(array) != np.shape(other) or not np.size(other):
        return False
    factor = float((array * other).sum() / (np.square(other).sum() or 1.0))
    return factor != 0 and np.allclose(array, factor * other, rtol=1e-6, atol=1e-12)
