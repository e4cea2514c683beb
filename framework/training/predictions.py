"""Predictions of batches: checked, copied to the host, and joined."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlight.distributed.sharding import weight_of
from firstlight.support.backend import to_host
from firstlight.support.batches import sample_count


def checked(who: str, result: Any, batch: Any) -> Any:
    """Return the result of a predict_step as NumPy arrays, with one entry for each sample."""
    if isinstance(result, dict) and result:
        return {name: checked(f"{who}[{name!r}]", one, batch) for name, one in result.items()}
    if isinstance(result, (tuple, list)) and result:
        return tuple(checked(f"{who}[{i}]", one, batch) for i, one in enumerate(result))
    if not hasattr(result, "dtype"):
        raise TypeError(
            f"{who} returned {type(result).__name__}; end it with: return y, an array with one "
            "entry for each sample, or a dict or tuple of such arrays"
        )
    count = sample_count(batch)
    if result.shape[:1] != (count,):
        raise ValueError(
            f"{who}: expected {count} entries along the first axis, one for each sample of the "
            f"batch, got shape {result.shape}; reshape it, e.g. y.reshape({count}, ...)"
        )
    return to_host(result)[: weight_of(batch)]


def joined(who: str, parts: list[Any]) -> Any:
    """Return the parts of all batches as one array, dict or tuple."""
    first = parts[0]
    kinds = {_kind(part) for part in parts}
    if len(kinds) > 1:
        raise ValueError(
            f"{who}: expected the same for each batch, got {' and '.join(sorted(kinds))}; to join "
            "arrays of different widths, pad them to one width there, or predict with one batch"
        )
    if isinstance(first, dict):
        return {name: joined(f"{who}[{name!r}]", [part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(joined(f"{who}[{i}]", [p[i] for p in parts]) for i in range(len(first)))
    return np.concatenate(parts)


def _kind(part):
    """Describe the structure that parts must share to be joined."""
    if isinstance(part, dict):
        return f"a dict of {', '.join(map(str, part))}"
    if isinstance(part, tuple):
        return f"a tuple of {len(part)}"
    return f"arrays of shape (N{''.join(f', {n}' for n in part.shape[1:])})"
