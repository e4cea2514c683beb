"""npz: the user's own arrays, from a NumPy file."""

import zipfile
from pathlib import Path

import numpy as np

from firstlight.data import DataSplits
from firstlight.datasets import limits
from firstlight.datasets.arrays import are_labels, from_arrays, split_indices
from firstlight.transforms import Scale


def npz(
    path: str,
    *,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
) -> DataSplits:
    """Load arrays from an .npz file, as ``np.savez("my.npz", x=x, y=y)`` writes it.

    The file has either ``x`` and ``y``, which are split, or ``x_train``, ``y_train`` and, if
    there are such data, ``x_val``, ``y_val``, ``x_test``, ``y_test``. Integer y are class labels
    0, 1, ..., float y make it a regression; names of the classes may be in ``classes``. uint8 x
    are pixels: batches are divided by 255.

    Parameters
    ----------
    path : str
        The file.
    val_size : float
        Share of the samples to validate on, or their number; not used where there is ``x_val``.
    test_size : float
        Share of the samples to test on, or their number; used with ``x`` and ``y`` only.
    seed : int
        Chooses the samples of each split.
    batch_size : int, optional
        Samples in a batch; 32, or all training samples if there are fewer.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no .npz file, has other names, or has Python objects in it.
    """
    arrays = _read(Path(path))
    name = Path(path).stem
    classes = arrays["classes"].astype(str).tolist() if "classes" in arrays else None
    if {"x", "y"} <= arrays.keys():
        return from_arrays(
            arrays["x"],
            arrays["y"],
            val_size=val_size,
            test_size=test_size,
            seed=seed,
            classes=classes,
            batch_size=batch_size,
            name=name,
        )
    if not {"x_train", "y_train"} <= arrays.keys():
        raise ValueError(
            f"{path}: expected arrays x and y, or x_train and y_train (and x_val, y_val, x_test, "
            f"y_test), got {', '.join(arrays) or 'none'}"
        )
    return _as_split(arrays, name, classes, val_size, seed, batch_size)


def _as_split(arrays, name, classes, val_size, seed, batch_size):
    """Return the splits as the file has them; validation data come from train if it has none."""
    parts = {}
    for split in ("train", "val", "test"):
        if {f"x_{split}", f"y_{split}"} <= arrays.keys():
            parts[split] = (arrays[f"x_{split}"], arrays[f"y_{split}"])
    x, y = parts["train"]
    if are_labels(y) and classes is None:
        for labels in (part[1] for part in parts.values()):
            limits.check_classes(labels, name)
        highest = max(part[1].max(initial=0) for part in parts.values())
        classes = [str(k) for k in range(int(highest) + 1)]
    if "val" not in parts:
        train, val, _ = split_indices(len(x), val_size, 0, seed, y if are_labels(y) else None, name)
        parts["train"] = (x[train], y[train])
        if len(val):
            parts["val"] = (x[val], y[val])
    scale = Scale(255) if x.dtype == np.uint8 else None
    return DataSplits(
        **parts,
        name=name,
        classes=classes,
        batch_size=batch_size,
        transform=scale,
    )


def _read(path):
    if not path.is_file():
        raise FileNotFoundError(f"npz: there is no file {path}")
    try:
        with open(path, "rb") as opened:
            content = np.load(opened, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise ValueError("it holds one bare array; write np.savez(path, x=x, y=y)")
            limits.check_npz(path)
            return dict(content)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error)
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are not loaded; save numbers or strings"
        raise ValueError(f"{path}: not a usable .npz file: {reason}") from error
