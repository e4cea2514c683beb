"""npz: load arrays from an .npz or .npy file."""

from pathlib import Path

import numpy as np

from firstlight.data.splits import SPLITS, DataSplits
from firstlight.datasets import _file_limits
from firstlight.datasets.arrays import (
    are_labels,
    as_preprocessing,
    check_lengths,
    from_arrays,
    prepared,
    targets_like,
)
from firstlight.datasets.splitting import Splitting

CHANNELS = (1, 2, 3, 4)


def npz(
    path: str,
    *,
    x_key: str | None = None,
    y_key: str | None = None,
    y_path: str | None = None,
    test_path: str | None = None,
    regression: bool | None = None,
    standardize: bool = False,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load arrays from an .npz file, as ``np.savez("my.npz", x=x, y=y)`` writes it, or from .npy.

    The file has either ``x`` and ``y``, which are split, or ``x_train``, ``y_train`` and optionally
    ``x_val``, ``y_val``, ``x_test``, ``y_test``; names of the classes may be in ``classes``. If a
    file has two arrays of other names, the one of shape (N,) is y. Integer y are class labels 0, 1,
    ..., float y make it a regression. uint8 x are pixels: samples are divided by 255, and images
    (N, H, W) get an axis of one channel.

    Parameters
    ----------
    path : str
        The file.
    x_key : str, optional
        Name of the inputs' array, if it is not x, e.g. arr_0.
    y_key : str, optional
        Name of the targets' array.
    y_path : str, optional
        The file of y, if it is a separate one.
    test_path : str, optional
        A file of test data, with arrays of the same names.
    regression : bool, optional
        True takes whole numbers in y for amounts, False for labels.
    standardize : bool
        Give each feature, along the last axis of x, mean 0 and standard deviation 1 over the
        training samples.
    val_size : float
        Share of the samples to validate on, or their number; not used where there is ``x_val``.
    test_size : float
        Share of the samples to test on, or their number; used with ``x`` and ``y`` only.
    seed : int
        Chooses the samples of each split.
    batch_size : int, optional
        Samples in a batch; 32, or all training samples if there are fewer.
    like : str, optional
        A run's folder: classes and scale are those that its network was trained with.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Another kind of file, other names, or Python objects in it.
    """
    arrays, like, name = _read(Path(path)), as_preprocessing(like), Path(path).stem
    if y_path is None:
        parts = _parts(arrays, x_key, y_key, path, like)
    else:
        parts = {"all": (_one(arrays, x_key, path), _one(_read(Path(y_path)), y_key, y_path))}
    if test_path is not None:
        other = _parts(_read(Path(test_path)), x_key, y_key, test_path, like)
        parts["test"] = other.get("test") or other.get("train") or other["all"]
        parts["train"] = parts.pop("all", None) or parts["train"]
    parts = {split: (_with_channels(x, path), y) for split, (x, y) in parts.items()}
    classes = arrays["classes"].astype(str).tolist() if "classes" in arrays else None
    if "all" in parts:
        return from_arrays(
            *parts["all"],
            val_size=val_size,
            test_size=test_size,
            seed=seed,
            classes=classes,
            regression=regression,
            batch_size=batch_size,
            standardize=standardize,
            like=like,
            name=name,
        )
    parts, classes = _with_targets(parts, name, classes, regression, like)
    if "val" not in parts:
        _take_val(parts, val_size, seed, name)
    return prepared(parts, name, classes, batch_size, standardize=standardize, like=like)


def _parts(arrays, x_key, y_key, path, like):
    """Return ``{"all": (x, y)}``, or ``(x, y)`` by split if the file has splits; y may be None."""
    if x_key is None and y_key is None:
        there = [s for s in SPLITS if {f"x_{s}", f"y_{s}"} <= arrays.keys()]
        if "train" in there and not {"x", "y"} <= arrays.keys():
            return {s: (arrays[f"x_{s}"], arrays[f"y_{s}"]) for s in there}
        x_key, y_key = _guessed(arrays, path, like)
    named = {key for key in (x_key, y_key, "classes") if key is not None}
    others = {name: array for name, array in arrays.items() if name not in named}
    x = _one(others if x_key is None else arrays, x_key, path)
    if y_key is None and not others:
        return {"all": (x, None)}
    return {"all": (x, _one(others if y_key is None else arrays, y_key, path))}


def _guessed(arrays, path, like):
    """Return the names of x and y; raise a ValueError if they are ambiguous."""
    if {"x", "y"} <= arrays.keys():
        return "x", "y"
    names = [name for name in arrays if name != "classes"]
    if len(names) == 1 and like is not None:
        return names[0], None  # only to be predicted
    if len(names) == 2:
        flat = [name for name in names if arrays[name].ndim == 1 or arrays[name].shape[1:] == (1,)]
        lengths = {len(arrays[name]) for name in names if arrays[name].ndim}
        if len(flat) == 1 and len(lengths) == 1:
            return next(name for name in names if name != flat[0]), flat[0]
    raise ValueError(
        f"{path}: expected arrays x and y, or x_train and y_train (and x_val, y_val, x_test, "
        f"y_test); {_contents(arrays)}; say which are meant with x_key and y_key"
    )


def _one(arrays, key, path):
    """Return the array of a name, or the only one."""
    if key is None and len(arrays) == 1:
        return next(iter(arrays.values()))
    if key is None:
        raise ValueError(f"{path}: which array is meant? say x_key and y_key; {_contents(arrays)}")
    if key not in arrays:
        raise ValueError(f"{path}: there is no array {key!r}; {_contents(arrays)}")
    return arrays[key]


def _contents(arrays):
    return f"got {', '.join(f'{name} {a.shape}' for name, a in arrays.items()) or 'none'}"


def _with_channels(x, path):
    """Return uint8 images with channels last; grey ones get an axis of one channel."""
    if x.dtype != np.uint8:
        return x
    if x.ndim == 3:
        return x[..., np.newaxis]  # (N, H, W) -> (N, H, W, 1)
    if x.ndim == 4 and x.shape[3] not in CHANNELS and x.shape[1] in CHANNELS:
        raise ValueError(
            f"{path}: expected images channels-last, (N, H, W, C), got {x.shape}; save "
            "x.transpose(0, 2, 3, 1)"
        )
    return x


def _with_targets(parts, name, classes, regression, like):
    """Return the splits of a file with targets of one kind, and the classes."""
    for x, y in parts.values():
        check_lengths(x, y, name)
    if len({y.shape[1:] for _, y in parts.values()}) > 1:
        shapes = ", ".join(f"{y.shape} in {split}" for split, (_, y) in parts.items())
        raise ValueError(f"{name}: expected y of one shape in all splits, got {shapes}")
    whole = np.concatenate([y for _, y in parts.values()])
    whole, classes = targets_like(like, whole, name, classes, regression)
    cuts = np.cumsum([len(y) for _, y in parts.values()])[:-1]
    pieces = zip(parts.items(), np.split(whole, cuts), strict=True)
    return {split: (x, y) for (split, (x, _)), y in pieces}, classes


def _take_val(parts, val_size, seed, name):
    """Move validation data out of the training data."""
    x, y = parts["train"]
    labels = y if are_labels(y) else None
    train, val, _ = Splitting(val_size, 0, seed).indices(len(x), labels, name=name)
    parts["train"] = (x[train], y[train])
    if len(val):
        parts["val"] = (x[val], y[val])


def _read(path):
    """Return the arrays in an .npz file by name, or the one in an .npy file as "array"."""
    if not path.is_file():
        raise FileNotFoundError(f"npz: there is no file {path}")
    try:
        with open(path, "rb") as opened:
            if path.suffix == ".npy":
                _file_limits.check_npy(path)
                return {"array": np.load(opened, allow_pickle=False)}
            content = np.load(opened, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise ValueError("it holds one bare array; name it .npy, and the targets' y_path")
            _file_limits.check_npz(path)
            return dict(content)
    except Exception as error:  # damaged bytes make NumPy's reader raise many kinds
        reason = str(error)
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are not loaded; save numbers or strings"
        raise ValueError(
            f"{path}: not a usable .npz file: {reason}; write it again with np.savez"
        ) from error
