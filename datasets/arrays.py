"""from_arrays: split arrays into train, validation and test data."""

import numpy as np

from firstlight import rng as randomness
from firstlight.data import DataSplits
from firstlight.datasets import limits
from firstlight.transforms import Scale


def from_arrays(
    x,
    y,
    *,
    val_size=0.1,
    test_size=0.1,
    seed=0,
    stratify=True,
    classes=None,
    batch_size=None,
    transform=None,
    standardize=False,
    name="data",
):
    """Split inputs and targets into train, validation and test data.

    The split follows from ``seed`` alone; each part keeps the samples in their order.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        Inputs. uint8 is taken for pixels: batches are divided by 255, unless ``transform`` is
        given. Other integers stay integers, e.g. tokens.
    y : array_like, shape (N,) or (N, K)
        Integers 0, 1, ... or strings are class labels; floats make it a regression.
    val_size, test_size : float
        A fraction below 1, or a number of samples; 0 leaves the split out.
    seed : int
    stratify : bool
        Give each class its share of every split.
    classes : list of str, optional
        Names of the classes; by default the strings in y, or "0", "1", ...
    batch_size : int, optional
        32, or all training samples if there are fewer.
    transform : callable, optional
        ``f(batch, rng) -> batch`` for all three splits; nothing random.
    standardize : bool
        Give each feature, along the last axis of x, mean 0 and standard deviation 1 over the
        training samples.
    name : str

    Returns
    -------
    DataSplits

    Raises
    ------
    ValueError
        Sizes that leave nothing to train on; lengths that differ; NaN; labels below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets import from_arrays
    >>> splits = from_arrays(np.zeros((20, 3)), ["cat", "dog"] * 10, test_size=4)
    >>> len(splits.train), len(splits.val), len(splits.test), splits.classes
    (14, 2, 4, ['cat', 'dog'])
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"{name}: expected as many inputs as targets, and at least one; "
            f"got x of shape {x.shape} and y of shape {y.shape}"
        )
    if y.dtype.kind == "U" or (y.dtype.kind == "O" and all(isinstance(v, str) for v in y)):
        names, y = np.unique(y.astype(str), return_inverse=True)
        classes = names.tolist() if classes is None else classes
    if are_labels(y):
        if classes is None:
            limits.check_classes(y, name)
        y = y.astype("int64")
        classes = [str(k) for k in range(y.max() + 1)] if classes is None else list(classes)
    train, val, test = split_indices(
        len(x), val_size, test_size, seed, y if are_labels(y) and stratify else None, name
    )
    if standardize:
        transform = standardizing(x[train])
    elif transform is None and x.dtype == np.uint8:
        transform = Scale(255)
    return DataSplits(
        train=(x[train], y[train]),
        val=(x[val], y[val]) if len(val) else None,
        test=(x[test], y[test]) if len(test) else None,
        name=name,
        classes=classes,
        batch_size=batch_size,
        transform=transform,
    )


def standardizing(x):
    """Return the `Scale` that gives each feature of x mean 0 and standard deviation 1.

    Features lie along the last axis; one that never changes becomes 0.
    """
    rows = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(-1, 1)
    low, high = rows.min(axis=0).astype("float64"), rows.max(axis=0).astype("float64")
    size = np.maximum(np.maximum(-low, high), np.finfo("float64").tiny)  # no square overflows
    mean = (rows / size).mean(axis=0, dtype="float64") * size
    std = (rows / size).std(axis=0, dtype="float64") * size
    return Scale(1, mean, np.where((low < high) & (std > 0), std, 1.0))


def are_labels(y):
    """Return whether targets are class labels: one integer for each sample."""
    return y.ndim == 1 and y.dtype.kind in "biu"


def split_indices(count, val_size, test_size, seed, labels=None, name="data"):
    """Return the indices of train, validation and test samples, each sorted.

    Parameters
    ----------
    count : int
        Number of samples.
    val_size, test_size : float
        A fraction below 1, or a number of samples.
    seed : int
    labels : array, shape (count,), optional
        Each label gets its share of every split, up to one sample.
    name : str
        Used in messages.
    """
    wanted = [
        _number(size, count, what, name)
        for size, what in ((val_size, "val_size"), (test_size, "test_size"))
    ]
    if sum(wanted) >= count:
        raise ValueError(
            f"{name}: val_size={val_size} and test_size={test_size} take {sum(wanted)} of "
            f"{count} samples and leave none to train on; make them smaller"
        )
    order = randomness.derived("split", seed).permutation(count)
    if labels is not None:
        # Sorted by label, evenly spaced picks take from each label in proportion to its number.
        order = order[np.argsort(labels[order], kind="stable")]
    test, order = _take_evenly(order, wanted[1])
    val, train = _take_evenly(order, wanted[0])
    return np.sort(train), np.sort(val), np.sort(test)


def _take_evenly(order, number):
    """Return ``number`` evenly spaced entries, and all the others."""
    picked = np.zeros(len(order), bool)
    if number:
        picked[(2 * np.arange(number) + 1) * len(order) // (2 * number)] = True
    return order[picked], order[~picked]


def _number(size, count, what, name):
    if not size >= 0 or (size >= 1 and size != int(size)):
        raise ValueError(
            f"{name}: expected {what} to be a fraction below 1 or a whole number of samples, "
            f"got {size}"
        )
    return int(size) if size >= 1 else round(count * size)
