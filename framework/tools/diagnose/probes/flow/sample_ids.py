"""Numbers of samples in arrays, and what NumPy's functions do with them, by name."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support.array import Array

if TYPE_CHECKING:
    from firstlight.tools.diagnose.probes.flow.traced_array import Source

PERMUTING = {"transpose", "swapaxes", "moveaxis", "expand_dims"}
MOVING = {
    *("reshape", "ravel", "squeeze", "concatenate", "stack", "vstack", "hstack", "column_stack"),
    *("dstack", "append", "roll", "flip", "flipud", "fliplr", "repeat", "tile", "take", "delete"),
    *("split", "array_split", "vsplit", "hsplit", "broadcast_to", "atleast_2d", "atleast_1d"),
    *("copy", "diagonal", "rot90", "sliding_window_view", "compress", "take_along_axis"),
}
REDUCING = {
    *("sum", "mean", "std", "var", "max", "min", "amax", "amin", "prod", "any", "all", "argmax"),
    *("argmin", "median", "percentile", "quantile", "average", "count_nonzero", "ptp", "norm"),
    *("nanmean", "nanstd", "nanmax", "nanmin", "nansum"),
}
FITTING = {"svd", "eigh", "eig", "qr", "cov", "corrcoef", "lstsq", "pinv", "unique", "bincount"}
ELEMENTWISE = {"where", "clip", "nan_to_num", "round", "around", "real", "isclose", "interp"}
EMPTY = {"zeros_like", "ones_like", "empty_like", "full_like"}
CONTRACTIONS = {"matmul", "dot", "einsum"}


FEATURES = 4  # with which equal rows are the same sample


def compact(ids: Array | None) -> Array | None:
    """Return samples with axes of length 1 along which they are equal; None if all are -1."""
    if ids is None or not ids.size or (ids < 0).all():
        return None
    for axis in range(ids.ndim):
        most = ids.max(axis=axis, keepdims=True)
        if ids.shape[axis] > 1 and ((ids == most) | (ids < 0)).all():
            ids = most
    return np.array(ids)


def widened(ids: Array, ndim: int) -> Array | None:
    """Return samples with as many axes as a result, None if they have more."""
    return ids.reshape((1,) * (ndim - ids.ndim) + ids.shape) if ids.ndim <= ndim else None


def axis_letters(spec: str, operands: Sequence[Any]) -> tuple[list[str], str]:
    """Return the letters of the axes of two operands, and those of the result."""
    if spec:
        inner, _, outer = spec.replace(" ", "").partition("->")
        return inner.split(","), outer
    batch = "uvwxyz"[: max(np.ndim(one) for one in operands) - 2]
    first, second = (np.ndim(one) for one in operands)
    names = ["j" if first == 1 else batch + "ij", "j" if second == 1 else batch + "jk"]
    letters = [name[-n:] if n else "" for name, n in zip(names, (first, second), strict=True)]
    return letters, batch + "i" * (first > 1) + "k" * (second > 1)


def same_rows(value: Array, sources: "Iterable[Source]") -> "tuple[Source, Array] | None":
    """Return the array of samples that has all rows of another, and their numbers in it."""
    if value.ndim < 2 or value.dtype.kind != "f" or value[0].size < FEATURES:
        return None
    for one in sources:
        if one.values.shape[1:] == value.shape[1:] and one.values.dtype == value.dtype:
            numbers = {row.tobytes(): one.first + i for i, row in enumerate(one.values)}
            found = np.array([numbers.get(row.tobytes(), -1) for row in np.asarray(value)])
            if len(numbers) == len(one.values) > len(value) and found.min() >= 0:
                return one, found
    return None


def is_order(value: Array) -> bool:
    """Return whether an array holds the numbers of rows: 0, 1, 2 … in some order."""
    if value.ndim != 1 or value.dtype.kind not in "iu":
        return False
    return np.array_equal(np.sort(value), np.arange(len(value)))


def is_beside_windows(rows: Array, sources: "Iterable[Source]") -> bool:
    """Return whether rows belong to windows of the same samples, such as their targets."""
    windows = [one for one in sources if one.parts is not None and len(one.values) == len(rows)]
    return any(
        rows[-1] == one.parts.max() + 1
        or (not one.first <= rows[0] < one.first + len(rows) and np.isin(rows[0], one.parts))
        for one in windows
    )
