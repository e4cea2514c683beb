"""from_arrays: split arrays into train, validation and test data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.data.labels import renumbered
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets.splitting import Splitting
from firstlight.datasets.targets import read_targets
from firstlight.support.array import Array
from firstlight.support.files import PathLike


def from_arrays(
    x: Any,
    y: Any = None,
    *,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    stratify: bool = True,
    groups: Any = None,
    shuffle: bool = True,
    folds: int = 0,
    fold: int = 0,
    classes: Sequence[str] | None = None,
    regression: bool | None = None,
    batch_size: int | None = None,
    transform: Callable[..., Any] | None = None,
    standardize: bool = False,
    like: PathLike | Preprocessing | None = None,
    name: str = "data",
) -> DataSplits:
    """Split inputs and targets into train, validation and test data.

    The split depends on ``seed`` alone; each part keeps the samples in their order.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        Inputs. uint8 values are pixels: samples are divided by 255, unless ``transform`` is
        given. Other integers stay integers, e.g. tokens.
    y : array_like, shape (N,) or (N, K), optional
        Integers 0, 1, ..., strings or one-hot rows are class labels; floats make it a regression,
        with y of shape (N, 1) or (N, K). Ambiguous targets are refused; see
        `firstlight.datasets.targets`.
    val_size, test_size : float
        A fraction below 1, or a number of samples; 0 leaves the split out.
    seed : int
    stratify : bool
        Give each class its share of every split.
    groups : array_like, shape (N,), optional
        Samples of one group, e.g. of one person, go to the same split.
    shuffle : bool
        If False, the first samples train and the last ones test, e.g. for samples in time order.
    folds, fold : int
        For cross-validation: number of folds, and which of them, from 0, is the test data;
        ``val_size`` is a share of the rest. Without ``shuffle`` only samples before it train.
    classes : list of str, optional
        Names of the classes; by default the strings in y, or "0", "1", ...
    regression : bool, optional
        True reads numbers in y as amounts, False as labels.
    batch_size : int, optional
        32, or all training samples if there are fewer.
    transform : callable, optional
        ``f(batch, rng) -> batch`` for all three splits; not random.
    standardize : bool
        Give each feature, along the last axis of x, mean 0 and standard deviation 1 over the
        training samples.
    like : path-like or Preprocessing, optional
        A run's folder, whose classes and scale are used.
    name : str

    Returns
    -------
    DataSplits

    Raises
    ------
    ValueError
        Sizes that leave nothing to train on; lengths that differ; NaN; labels below 0; ambiguous
        targets; classes that the run of ``like`` does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets import from_arrays
    >>> splits = from_arrays(np.zeros((20, 3)), ["cat", "dog"] * 10, test_size=4)
    >>> len(splits.train), len(splits.val), len(splits.test), splits.classes
    (14, 2, 4, ['cat', 'dog'])
    """
    x, y = np.asarray(x), None if y is None else np.asarray(y)
    like = as_preprocessing(like)
    y, classes = targets_like(like, y, name, classes, regression)
    check_lengths(x, y, name)
    labels = y if classes is not None and y is not None and are_labels(y) else None
    splitting = Splitting(val_size, test_size, seed, shuffle, folds, fold)
    groups = None if groups is None else np.asarray(groups)
    if groups is not None and groups.shape != (len(x),):
        raise ValueError(f"{name}: expected a group for each sample, got shape {groups.shape}")
    indices = splitting.indices(len(x), labels if stratify else None, groups, name)
    parts = {
        split: (x[places],) if y is None else (x[places], y[places])
        for split, places in zip(SPLITS, indices, strict=True)
        if len(places) or split == "train"
    }
    return prepared(parts, name, classes, batch_size, transform, standardize, like)


def prepared(
    parts: dict[str, tuple[Array, ...]],
    name: str,
    classes: Sequence[str] | None,
    batch_size: int | None,
    transform: Callable[..., Any] | None = None,
    standardize: bool = False,
    like: Preprocessing | None = None,
) -> DataSplits:
    """Return `DataSplits` of arrays by split, scaled by statistics of the training part.

    Parameters
    ----------
    parts : dict of str to tuple of array
    name, classes, batch_size, transform, standardize
        As of `from_arrays`.
    like : Preprocessing or None
        Its scale takes precedence.
    """
    x = parts["train"][0]
    if like is not None:
        for part in parts.values():
            like.check_inputs(part[0], name)
        transform = like.transform
    elif standardize:
        transform = standardizing(x)
    elif transform is None and x.dtype == np.uint8:
        transform = Scale(255)
    lacking = like is not None and like.target != "none" and len(parts["train"]) == 1
    return DataSplits(
        **parts,
        name=name,
        classes=classes,
        batch_size=batch_size,
        transform=transform,
        info={"target": None} if lacking else {},  # the run has a target, these data lack it
    )


def as_preprocessing(like: PathLike | Preprocessing | None) -> Preprocessing | None:
    """Return the `Preprocessing` at a path; None and a `Preprocessing` are returned unchanged."""
    if isinstance(like, (str, Path)):
        return Preprocessing.load(like)
    return like


def targets_like(
    like: Preprocessing | None,
    y: Array | None,
    name: str,
    classes: Sequence[str] | None = None,
    regression: bool | None = None,
) -> tuple[Array | None, Sequence[str] | None]:
    """Return targets and classes as `read_targets` does, with the class numbers of a run."""
    if like is None:
        return (y, classes) if y is None else read_targets(y, name, classes, regression)
    if y is None or like.target == "none":
        return None, like.classes
    if like.classes is None:
        return read_targets(y, name, regression=True)
    if classes is None:
        return read_targets(y, name, like.classes)
    y, classes = read_targets(y, name, classes)
    return renumbered(y, classes, like.classes, name), like.classes


def check_lengths(x: Array, y: Array | None, name: str) -> None:
    """Raise a ValueError unless there are samples, and as many targets if there are any."""
    fits = x.ndim > 0 and len(x) > 0
    if y is not None:
        fits = fits and y.ndim > 0 and len(x) == len(y)
    if not fits:
        got = f"x of shape {x.shape}" + ("" if y is None else f" and y of shape {y.shape}")
        raise ValueError(f"{name}: expected as many inputs as targets, and at least one; got {got}")


def standardizing(x: Array) -> Scale:
    """Return the `Scale` that gives each feature of x mean 0 and standard deviation 1.

    Features are along the last axis; a constant one becomes 0.
    """
    features = x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1).T
    mean, std = zip(*map(_moments, features), strict=True)
    return Scale(1, mean, std)


def _moments(values):
    """Return mean and standard deviation, both finite, of one feature."""
    values = values.astype("float64")
    if not np.isfinite(values).all():
        return 0.0, 1.0  # `ArrayDataset` refuses it, and says where it is
    if values.min() == values.max():  # its deviation would be a rounding error
        return float(values[0]), 1.0
    size = float(np.abs(values).max())  # no square overflows
    values /= size
    return float(values.mean()) * size, float(values.std()) * size or 1.0


def are_labels(y: Array) -> bool:
    """Return whether targets are class labels: one integer for each sample."""
    return y.ndim == 1 and y.dtype.kind in "biu"
