"""hf: load data sets of Hugging Face: from the hub, from a folder, or objects in memory."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.datasets._columns import table_columns
from firstlight.datasets.arrays import are_labels, as_preprocessing, prepared, targets_like
from firstlight.datasets.splitting import GivenSplits, Splitting
from firstlight.datasets.tables import from_columns
from firstlight.support.extras import require
from firstlight.support.files import PathLike

ALIASES = {"train": "train", "test": "test", "val": "val", "validation": "val", "valid": "val"}
ALIASES |= {"dev": "val"}


def hf(
    path: str,
    *,
    config: str | None = None,
    target: str | None = None,
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    encode: Literal["onehot", "index"] = "onehot",
    regression: bool | None = None,
    standardize: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load a data set of the Hugging Face hub, or one in a folder.

    It needs the package datasets, the extra ``datasets``. See `from_hugging_face` for the columns.

    Parameters
    ----------
    path : str
        A name on the hub, such as "mnist" or "owner/name"; the folder of ``save_to_disk``; or a
        folder of Parquet or CSV files.
    config : str, optional
        Name of a configuration of the data set.
    target : str, optional
        Name of the target column; by default the column of class labels, or the last, or that of
        ``like``.
    columns : tuple of str
        Names of the input columns; by default the column of images or arrays, or all others.
    drop : tuple of str
        Names of columns that are no inputs.
    words : tuple of str
        Names of columns of a table whose numbers are taken as words.
    encode : {"onehot", "index"}
        Words of a table as one feature each, or as one index for an embedding.
    regression : bool, optional
        True takes whole numbers in the target column for amounts, False all numbers for classes.
    standardize : bool
        Give each column of numbers of a table mean 0 and standard deviation 1 over the training
        rows.
    val_size : float
        Share of the training samples to validate on, or their number; not used if the data set has
        a validation split.
    test_size : float
        Share of the training samples to test on, or their number; not used if there is a test
        split.
    seed : int
        Chooses the samples of splits that are not given.
    batch_size : int, optional
        Samples in a batch; 32, or all training samples if there are fewer.
    like : str, optional
        A run's folder: columns, encoding, classes and scale are those that its network was trained
        with.

    Returns
    -------
    DataSplits

    Raises
    ------
    firstlight.support.extras.MissingPackageError
        The package is not installed.
    OSError
        The data set is neither a folder nor on the hub, or the hub cannot be reached.
    ValueError
        Columns that are no inputs for a network.
    """
    library = _library()
    folder = Path(path)
    if any((folder / name).is_file() for name in ("dataset_dict.json", "dataset_info.json")):
        data = library.load_from_disk(path)
    else:
        try:
            data = library.load_dataset(path, config)
        except (OSError, ValueError, RuntimeError) as error:  # of the library and its network code
            raise OSError(
                f"hf: {path} cannot be loaded ({type(error).__name__}: {error}); without network, "
                "load it elsewhere, write it with save_to_disk, and name that folder"
            ) from error
    return from_hugging_face(
        data,
        target=target,
        columns=columns,
        drop=drop,
        words=words,
        encode=encode,
        regression=regression,
        standardize=standardize,
        val_size=val_size,
        test_size=test_size,
        seed=seed,
        batch_size=batch_size,
        like=like,
        name=folder.name,
    )


def from_hugging_face(
    data: Any,
    *,
    target: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    words: Sequence[str] = (),
    encode: str = "onehot",
    regression: bool | None = None,
    standardize: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
    like: PathLike | Preprocessing | None = None,
    name: str = "data",
) -> DataSplits:
    """Return the splits of a ``Dataset`` or ``DatasetDict`` of Hugging Face.

    A column of images, of the same size, or of arrays is the input x; images stay uint8 and are
    scaled to 0 ... 1. Columns of numbers, words and dates are a table, encoded as `from_table`
    does. All samples are read into memory.

    Parameters
    ----------
    data : datasets.Dataset or datasets.DatasetDict
        Splits train, test and validation (or val, valid, dev); missing ones are taken from train.
    target, columns, drop, words, encode, regression, standardize, val_size, test_size, seed
        As of `hf`.
    batch_size, like
        As of `hf`.
    name : str

    Returns
    -------
    DataSplits

    Raises
    ------
    TypeError
        Another object, such as an ``IterableDataset``.
    ValueError
        No training split; columns that are no inputs for a network.
    """
    parts = _parts(data, name)
    like, features = as_preprocessing(like), parts["train"].features
    names = list(features)
    labels = [c for c in names if type(features[c]).__name__ == "ClassLabel"]
    if target is None and like is None:
        target = labels[-1] if labels else names[-1]
    unknown = [c for c in (target, *columns, *drop) if c is not None and c not in names]
    if unknown:
        raise ValueError(
            f"{name}: there is no column {unknown[0]!r}; the columns are {', '.join(names)}"
        )
    inputs = columns or [c for c in names if c != target and c not in drop]
    arrays = [column for column in inputs if type(features[column]).__name__ != "Value"]
    arrays = [column for column in arrays if column not in labels]
    splitting = Splitting(val_size, test_size, seed)
    if not arrays:
        whole = _as_table(parts, labels)
        return from_columns(
            whole,
            target=target,
            columns=[] if like is not None else inputs,
            drop=drop,
            words=words,
            encode=encode,
            regression=regression,
            standardize=standardize,
            splitting=GivenSplits({s: len(p) for s, p in parts.items()}, splitting),
            batch_size=batch_size,
            like=like,
            name=name,
        )
    if len(arrays) > 1 and not columns:
        raise ValueError(
            f"{name}: columns {', '.join(arrays)} could be the input; say which with columns="
        )
    found = {s: _x_and_y(part, arrays[0], target, name) for s, part in parts.items()}
    classes = list(features[target].names) if target in labels else None
    whole = None
    if target in names:
        whole = np.concatenate([y for _, y in found.values()])
    y, classes = targets_like(like, whole, name, classes, regression)
    x = np.concatenate([x for x, _ in found.values()]) if len(found) > 1 else found["train"][0]
    given = GivenSplits({s: len(p) for s, p in parts.items()}, splitting)
    stratified = y if classes is not None and y is not None and are_labels(y) else None
    indices = given.indices(len(x), stratified, name=name)
    splits = {
        split: (x[places],) if y is None else (x[places], y[places])
        for split, places in zip(SPLITS, indices, strict=True)
        if len(places) or split == "train"
    }
    return prepared(splits, name, classes, batch_size, like=like)


def is_hugging_face(data: Any) -> bool:
    """Return whether an object is a ``Dataset`` or ``DatasetDict``; the library is not imported."""
    names = {
        kind.__name__ for kind in type(data).__mro__ if kind.__module__.startswith("datasets.")
    }
    return bool(names & {"Dataset", "DatasetDict"})


def _library():
    """Return the package datasets, of Hugging Face and not another one of this name."""
    require("hf", "datasets", extra="datasets")
    library = importlib.import_module("datasets")
    if not hasattr(library, "load_from_disk"):
        place = getattr(library, "__file__", None) or list(library.__path__)[0]
        raise ImportError(
            f"hf: {place} hides the package datasets of Hugging Face; start Python in another "
            "folder, or rename it"
        )
    return library


def _parts(data, name):
    """Return the data sets by split."""
    if not is_hugging_face(data):
        raise TypeError(
            f"{name}: expected a Dataset or DatasetDict of Hugging Face, got {type(data).__name__}"
        )
    if not isinstance(data, dict):
        return {"train": data}
    parts = {ALIASES[split]: part for split, part in data.items() if split in ALIASES}
    if "train" not in parts:
        raise ValueError(f"{name}: expected a split train, got {', '.join(data)}")
    return {split: parts[split] for split in SPLITS if split in parts}


def _as_table(parts, labels):
    """Return the columns of all parts, one after the other; labels by their names."""
    tables = [table_columns(part.with_format("arrow")[:], "data") for part in parts.values()]
    whole = {c: np.concatenate([table[c] for table in tables]) for c in tables[0]}
    for column in labels:
        names = np.array([*next(iter(parts.values())).features[column].names, None], "O")
        whole[column] = names[np.nan_to_num(whole[column], nan=-1).astype("int64")]
    return whole


def _x_and_y(part, column, target, name):
    """Return the array of a column of images or arrays, and the targets or None."""
    chosen = [c for c in (column, target) if c in part.column_names]
    arrays = part.select_columns(chosen).with_format("numpy")[:]
    x = arrays[column]
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}: expected one shape in the column {column}, got several, or no numbers; use "
            "map to bring its values to one size"
        )
    image = type(part.features[column]).__name__ == "Image"
    x = x[..., np.newaxis] if image and x.ndim == 3 else x  # (N, H, W) -> (N, H, W, 1)
    return x, arrays.get(target)
