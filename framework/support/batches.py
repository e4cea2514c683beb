"""Place, count and describe batches: arrays, or tuples, lists and dicts of arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.support.backend import to_device


def placed(batch: Any, device: str, dtype: Any, send: Callable[[Any], Any] | None = None) -> Any:
    """Return the batch on a device, with floating arrays cast to the model's dtype.

    ``send`` copies an array to a GPU, `to_device` by default.
    """
    if isinstance(batch, (tuple, list)):
        return tuple([placed(part, device, dtype, send) for part in batch])
    if isinstance(batch, dict):
        return {name: placed(part, device, dtype, send) for name, part in batch.items()}
    if not isinstance(batch, np.ndarray):
        batch = _as_array(batch)
    if batch.dtype.kind == "f" and batch.dtype != dtype:
        batch = batch.astype(dtype)
    if device == "cpu":
        return batch
    return to_device(batch, device) if send is None else send(batch)


def leaves(batch: Any) -> list[Any]:
    """Return the arrays of a batch, in order."""
    if isinstance(batch, (tuple, dict)):
        parts = batch.values() if isinstance(batch, dict) else batch
        return [leaf for part in parts for leaf in leaves(part)]
    return [batch]


def mapped(function: Callable[[Any], Any], batch: Any) -> Any:
    """Return the structure of a batch with ``function(array)`` in place of each array.

    None stays None, as in the gradients of several outputs of which the loss depends on some.
    """
    if isinstance(batch, (tuple, list)):
        return tuple([mapped(function, part) for part in batch])
    if isinstance(batch, dict):
        return {name: mapped(function, part) for name, part in batch.items()}
    return None if batch is None else function(batch)


def copied(batch: Any) -> Any:
    """Return a copy of a batch."""
    return mapped(lambda array: array.copy(), batch)


def shapes_of(batch: Any) -> Any:
    """Return structure, shapes and dtypes of a batch as a key of a dict."""
    if isinstance(batch, tuple):
        return tuple([shapes_of(part) for part in batch])
    if isinstance(batch, dict):
        return tuple([(name, shapes_of(part)) for name, part in batch.items()])
    return batch.shape, batch.dtype.char


def _as_array(part):
    """Return a CuPy array unchanged, and other array-likes (a torch tensor) as NumPy arrays."""
    if hasattr(part, "get"):
        return part
    if hasattr(part, "__array__"):
        return np.asarray(part)
    raise TypeError(
        f"expected batches of arrays, or tuples or dicts of arrays, got a {type(part).__name__} in "
        "one; make the loader return arrays"
    )


def sample_count(batch: Any) -> int:
    """Return the number of samples in a batch: the length of its first array."""
    while isinstance(batch, (tuple, dict)):
        batch = batch[0] if isinstance(batch, tuple) else next(iter(batch.values()))
    return len(batch)


def inputs_of(batch: Any) -> Any:
    """Return the inputs x of a batch ``(x, y)``; a dict is returned as a whole."""
    return batch[0] if isinstance(batch, tuple) else batch


def describe_batch(batch: Any) -> str:
    """Describe a batch, e.g. ``(float32 (32, 64), int64 (32,))``."""
    if isinstance(batch, (tuple, list)):
        return f"({', '.join(describe_batch(part) for part in batch)})"
    if isinstance(batch, dict):
        return f"{{{', '.join(f'{k}: {describe_batch(v)}' for k, v in batch.items())}}}"
    return f"{batch.dtype} {batch.shape}" if hasattr(batch, "dtype") else type(batch).__name__
