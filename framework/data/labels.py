"""Labels: check class indices of data sets, count them, and renumber them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.support.array import Array

FEW = 20  # this many classes are plausible in any number of samples


def check_labels(data: Any, classes: Sequence[str] | None, name: str, split: str) -> None:
    """Raise an error unless the labels of a data set, if it has any, are indices of the classes.

    Parameters
    ----------
    data : data set
    classes : list of str or None
        None if they have no names.
    name, split : str
        Used in messages.

    Raises
    ------
    ValueError
        Labels outside 0 ... number of classes - 1; whole numbers in columns.
    TypeError
        Labels that are not integers.
    """
    arrays = getattr(data, "arrays", ())
    if len(arrays) < 2:
        return
    y = arrays[1]
    if not hasattr(y, "dtype"):
        return  # several targets
    if y.dtype.kind in "biu" and y.ndim == 2 and (y.shape[1] == 1 or is_one_hot(y)):
        labels = "y[:, 0]" if y.shape[1] == 1 else "y.argmax(axis=1)"
        raise ValueError(
            f"{name}: y in {split} are whole numbers of shape {y.shape}; write {labels} for class "
            "labels, y.astype('float32') for a regression, or use datasets.from_arrays"
        )
    if classes is None or y.ndim != 1:
        return
    count = len(classes)
    if y.dtype.kind not in "biu":
        raise TypeError(
            f"{name}: expected integer labels 0 ... {count - 1} in {split}, got dtype "
            f"{y.dtype}; write y.astype(int), or leave out classes for regression"
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= count:
        raise ValueError(
            f"{name}: expected labels 0 ... {count - 1} ({count} classes), got labels "
            f"from {low} to {high} in {split}; number the classes from 0, or name all of them"
        )


def counted_classes(splits: Sequence[Any]) -> list[str] | None:
    """Return "0", "1", ... if the targets of all splits are labels of few classes; else None.

    Parameters
    ----------
    splits : list of data set
        The training data first.
    """
    targets = [getattr(data, "arrays", (0,))[1:2] for data in splits]
    if not all(
        y and hasattr(y[0], "dtype") and y[0].ndim == 1 and y[0].dtype.kind in "biu"
        for y in targets
    ):
        return None
    count = max(int(y.max()) for (y,) in targets) + 1
    few = count <= max(FEW, len(targets[0][0]) // 2) and min(int(y.min()) for (y,) in targets) >= 0
    return [str(k) for k in range(count)] if few else None


def are_counted(classes: list[str]) -> bool:
    """Return whether the class names are "0", "1", ..., the default names."""
    return classes == [str(k) for k in range(len(classes))]


def is_one_hot(y: Array) -> bool:
    """Return whether each row of targets (N, K) has one 1, and 0 elsewhere."""
    values = y.astype(bool)
    return y.shape[1] > 1 and bool((values.sum(axis=1) == 1).all() and (y == values).all())


def renumbered(y: Array, names: Sequence[str], classes: Sequence[str], who: str) -> Array:
    """Map labels that are indices of ``names`` to indices of ``classes``.

    Raises
    ------
    ValueError
        A label's class is not in ``classes``; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.labels import renumbered
    >>> renumbered(np.array([0, 1, 1]), ["apple", "plum"], ["apple", "pear", "plum"], "fruit")
    array([0, 2, 2])
    """
    used = np.unique(y).tolist()
    unknown = [str(names[k]) for k in used if names[k] not in classes]
    if unknown:
        raise ValueError(
            f"{who}: unknown class{'es' * (len(unknown) > 1)} {', '.join(unknown)}; the network "
            f"was trained on {', '.join(map(str, classes))}; leave out their "
            "samples, or train with them"
        )
    place = np.full(len(names), -1, "int64")
    place[used] = [classes.index(names[k]) for k in used]
    return place[y]
