"""Targets: decide whether y has class labels or is a regression.

=============================  ====================================================
y                              is read as
=============================  ====================================================
words                          classes, in alphabetical order
booleans, whole numbers 0...   classes; so are those of shape (N, 1)
one-hot rows                   classes
floats                         a regression, of shape (N, K)
whole floats of few values     ambiguous: 0.0 and 1.0 may be either
whole numbers of many values   ambiguous: most occur once, so they may be amounts
whole numbers, (N, K)          ambiguous: several labels, or amounts
=============================  ====================================================

If y is ambiguous, an error requires ``regression``.
"""

from collections.abc import Sequence

import numpy as np

from firstlight.data.labels import is_one_hot, renumbered
from firstlight.support.array import Array

FEW = 20  # different values that are plausible classes in a table of any size
CLASSES = 2**16  # that integer labels may stand for, or one for each sample


def read_targets(
    y: Array,
    name: str = "data",
    classes: Sequence[str] | None = None,
    regression: bool | None = None,
) -> tuple[Array, list[str] | None]:
    """Return targets as the Trainer expects them, and the names of the classes.

    Parameters
    ----------
    y : array, shape (N,) or (N, K)
    name : str
        Begins messages.
    classes : list of str, optional
        Names of the classes; numbers in y are then indices.
    regression : bool, optional
        True takes numbers for amounts, False for labels; None decides by the table above.

    Returns
    -------
    y : array
        int64 (N,), or float32 (N, K) for a regression.
    classes : list of str or None
        None for a regression.

    Raises
    ------
    ValueError
        y is ambiguous, or neither.
    """
    if y.dtype.kind == "O" and y.size and all(isinstance(value, str) for value in y.flat):
        y = y.astype(str)
    if y.ndim == 2 and y.shape[1] == 1 and (y.dtype.kind in "biuU" or _is_few_whole(y)):
        y = y[:, 0]
    if y.dtype.kind == "U":
        return _words(y, name, classes, regression)
    if y.dtype.kind not in "biuf" or y.ndim == 0:
        return y, classes  # ArrayDataset raises an error
    if regression:
        if classes is not None:
            raise ValueError(f"{name}: a regression has no classes; leave out classes")
        return _amounts(y), None
    if y.ndim == 2 and y.shape[1] > 1 and is_one_hot(y):
        names = [str(k) for k in range(y.shape[1])] if classes is None else list(classes)
        return y.argmax(axis=1), names
    whole = y.dtype.kind in "biu" or _is_few_whole(y) or (regression is False and _is_whole(y))
    if whole and y.ndim == 1:
        return _labels(y, name, classes, regression)
    if y.dtype.kind == "f":
        if regression is False and classes is None:
            raise ValueError(f"{name}: expected whole numbers as class labels, got {_some(y)}")
        return (y, list(classes)) if classes is not None else (_amounts(y), None)
    if y.ndim == 2:
        raise ValueError(
            f"{name}: y has whole numbers of shape {y.shape}, neither one label for each sample "
            "nor one-hot; for a regression or several labels at once write y.astype('float32') "
            "or regression=True"
        )
    return y, classes


def check_class_count(count: int, samples: int, name: str, what: str) -> None:
    """Raise a ValueError if most classes would have a single sample."""
    if count > FEW and 2 * count > samples:
        raise ValueError(
            f"{name}: {count:,} different {what} in {samples:,} samples, so most would be a class "
            "of one sample. If they are amounts, say regression=True; if they are classes, "
            "regression=False; or is the target elsewhere?"
        )


def _words(y, name, classes, regression):
    if y.ndim != 1:
        raise ValueError(f"{name}: expected one word for each sample, got y of shape {y.shape}")
    if regression:
        raise ValueError(f"{name}: expected numbers for a regression, got words, e.g. {_some(y)}")
    found, index = np.unique(y, return_inverse=True)
    if regression is None and classes is None:
        check_class_count(len(found), len(y), name, "words as targets")
    if classes is None:
        return index.astype("int64"), found.tolist()
    return renumbered(index, found.tolist(), list(classes), name), list(classes)


def _labels(y, name, classes, regression):
    if y.dtype.kind == "f" and regression is None and classes is None:
        raise ValueError(
            f"{name}: y has the floats {_some(y)}, which may be class labels or amounts; write "
            "y.astype('int64') or regression=False for classes, regression=True for a regression"
        )
    y = y.astype("int64")
    if classes is not None:
        return y, list(classes)
    if y.max(initial=0) >= max(CLASSES, len(y)):
        raise ValueError(
            f"{name}: label {y.max()} at position {y.argmax()} would mean {y.max() + 1:,} classes; "
            "number the classes 0, 1, ..., or give float targets for a regression"
        )
    if regression is None:
        check_class_count(len(np.unique(y)), len(y), name, "whole numbers as targets")
    return y, [str(k) for k in range(int(y.max(initial=-1)) + 1)]


def _amounts(y):
    y = y.astype("float32") if y.dtype.kind != "f" else y
    return y[:, np.newaxis] if y.ndim == 1 else y  # (N,) -> (N, 1)


def _is_whole(y):
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(y).all() and (y == np.floor(y)).all())


def _is_few_whole(y):
    """Return whether floats may be labels: whole, 0 or more, few, and each often."""
    if y.dtype.kind != "f" or y.size == 0 or (y.ndim == 2 and y.shape[1] > 1) or not _is_whole(y):
        return False
    different = len(np.unique(y))
    return different <= FEW and 2 * different <= y.size and y.min() >= 0


def _some(y):
    values = np.unique(y).tolist()
    shown = ", ".join(map(str, values[:6]))
    return shown if len(values) <= 6 else f"{shown}, ... ({len(values):,} in all)"
