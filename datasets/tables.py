"""from_table: load a table in memory; what it shares with the readers of files."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets._column_roles import input_columns, target_name
from firstlight.datasets._columns import Cells, as_texts, table_columns
from firstlight.datasets._lines import CellError
from firstlight.datasets._table_target import Target, check_float32
from firstlight.datasets.arrays import (
    as_preprocessing,
    prepared,
    standardizing,
    targets_like,
)
from firstlight.datasets.splitting import GivenSplits, Splitting
from firstlight.support.array import Array
from firstlight.support.files import PathLike

Place = Callable[[int, str], str]  # (row, column) -> how messages name a cell


def from_table(
    table: Any,
    *,
    target: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    words: Sequence[str] = (),
    encode: str = "onehot",
    regression: bool | None = None,
    standardize: bool = True,
    group: str | None = None,
    shuffle: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    folds: int = 0,
    fold: int = 0,
    seed: int = 0,
    batch_size: int | None = None,
    like: PathLike | Preprocessing | None = None,
    name: str = "table",
) -> DataSplits:
    """Split a table, and encode its columns of numbers, words and dates as features.

    The encoding is fitted to the training rows: medians of missing numbers and dates, with a
    feature that says that they are missing; words as one-hot features or as indices; dates as days
    and places in the year, the week and the day. See `firstlight.data.encoding`.

    Parameters
    ----------
    table
        A table of pandas, Polars, PyArrow or Hugging Face, or a dict of columns by name.
    target : str, optional
        Name of the target column; by default the last, or that of ``like``. Words, whole numbers
        and booleans are classes, other numbers a regression.
    columns : list of str
        Names of the input columns; by default all but target and group.
    drop : list of str
        Columns that are no inputs.
    words : list of str
        Columns whose numbers or dates are taken as words, e.g. postal codes.
    encode : {"onehot", "index"}
        Words as a feature each, or as one index for an embedding: 0 for a missing or unknown word.
    regression : bool, optional
        True takes whole numbers in the target for amounts, False all numbers for classes.
    standardize : bool
        Give amounts mean 0 and standard deviation 1 over the training rows.
    group : str, optional
        A column that is no input: rows with the same value go to the same split.
    shuffle, val_size, test_size, folds, fold, seed
        As of `from_arrays`.
    batch_size : int, optional
        32, or all training rows if there are fewer.
    like : path-like or Preprocessing, optional
        A run's folder, whose encoding is used. The target may then be missing.
    name : str

    Returns
    -------
    DataSplits
        ``info["features"]`` names the features, ``info["columns"]`` their columns.

    Raises
    ------
    ValueError
        No such column; a cell that is not what its column holds; a missing target.

    Examples
    --------
    >>> from firstlight.datasets import from_table
    >>> people = {"age": [30, None, 50, 41] * 5, "sex": ["f", "m", "m", "f"] * 5}
    >>> splits = from_table(people | {"won": [0, 1] * 10})
    >>> splits
    DataSplits(table: 16 train, 2 val, 2 test; x (4,), 2 classes)
    >>> splits.info["features"]
    ['age', 'age=(missing)', 'sex=f', 'sex=m']
    """
    return from_columns(
        table_columns(table, name),
        target=target,
        columns=columns,
        drop=drop,
        words=words,
        encode=encode,
        regression=regression,
        standardize=standardize,
        group=group,
        splitting=Splitting(val_size, test_size, seed, shuffle, folds, fold),
        batch_size=batch_size,
        like=as_preprocessing(like),
        name=name,
    )


def from_columns(
    found: Mapping[str, Array],
    *,
    target: str | None,
    columns: Sequence[str],
    drop: Sequence[str],
    words: Sequence[str],
    encode: str,
    regression: bool | None,
    standardize: bool,
    splitting: Splitting | GivenSplits,
    batch_size: int | None,
    like: Preprocessing | None,
    name: str,
    group: str | None = None,
) -> DataSplits:
    """Return the splits of columns by name; see `from_table`."""
    target = target_name(target, list(found), like, name)
    inputs = input_columns(list(found), target, columns, drop, group, like, name)
    groups = None if group is None else as_texts(found[group])

    place, about = partial(row_and_column, name), None
    if target is not None:
        about = Target(found[target], f"{name}, column {target}", partial(place, column=target))
    return encoded_splits(
        {column: found[column] for column in inputs},
        about,
        Cells(words),
        place,
        encode=encode,
        regression=regression,
        standardize=standardize,
        groups=groups,
        splitting=splitting,
        batch_size=batch_size,
        like=like,
        name=name,
        target=target,
    )


def encoded_splits(
    cells: Mapping[str, Array],
    about: Target | None,
    reader: Cells,
    place: Place,
    *,
    encode: str,
    regression: bool | None,
    standardize: bool,
    groups: Sequence[str] | None,
    splitting: Splitting | GivenSplits,
    batch_size: int | None,
    like: Preprocessing | None,
    name: str,
    target: str | None,
) -> DataSplits:
    """Return splits of a table whose columns are encoded by the training rows, or as a run's.

    Parameters
    ----------
    cells : dict of str to array, shape (N,)
        The input columns.
    about : Target or None
    reader : Cells
    place : callable
        ``place(row, column)`` names a cell, for messages.
    encode, regression, standardize, batch_size, like, name
        As of `from_table`.
    groups : list of str or None
    splitting : Splitting or GivenSplits
    target : str or None
        Name of the target column.
    """
    y, classes = (None, None) if about is None else about.read(regression, like)
    typed = typed_columns(cells, reader, place, like)
    count = len(next(iter(cells.values())))
    labels = y if classes is not None else None
    groups = None if groups is None else np.array(groups)
    indices = splitting.indices(count, labels, groups, name)
    encoding, x, scale = fitted(typed, indices[0], encode, standardize, like, name)
    if like is not None:
        y, classes = targets_like(like, y if classes is None else np.array(classes)[y], name)
    parts = {
        split: (x[rows],) if y is None else (x[rows], y[rows])
        for split, rows in zip(SPLITS, indices, strict=True)
        if len(rows) or split == "train"
    }
    splits = prepared(parts, name, classes, batch_size, scale, like=like)
    splits.info = table_facts(encoding, target, like)
    return splits


def fitted(
    typed: Mapping[str, Array],
    train: Array,
    encode: str,
    standardize: bool,
    like: Preprocessing | None,
    name: str,
) -> tuple[Any, Array, Scale | None]:
    """Return encoding, features (N, F) and scale of typed columns, by training rows or as a run's.

    The scale is None where a run has one, or where none is asked for.

    Parameters
    ----------
    typed : dict of str to array, shape (N,)
    train : array of int
        The training rows.
    encode, standardize, like, name
        As of `from_table`.
    """
    from firstlight.data.encoding import Encoding  # here: most data sets need none

    if like is not None:
        encoding = Encoding.from_list(like.encoding or _plain_numbers(like, typed, name))
        for line in encoding.surprises(typed):
            warnings.warn(f"{name}: {line}", stacklevel=4)
        return encoding, encoding.encode(typed), None
    encoding = Encoding.fit({column: values[train] for column, values in typed.items()}, encode)
    if unused := encoding.unused:
        warnings.warn(
            f"{name}: {', '.join(unused)} left out: such a column is empty, or most of its words "
            f"occur once; drop={','.join(unused)} silences this",
            stacklevel=4,
        )
    x = encoding.encode(typed)  # (N, F)
    if not standardize:
        for column, values in zip(encoding.features, x.T, strict=True):
            check_float32(values, f"{name}, column {column}")
        return encoding, x, None
    scale = standardizing(x[train])
    mean, std = np.array(scale.mean), np.array(scale.std)
    mean[~encoding.amounts], std[~encoding.amounts] = 0, 1  # 0 and 1, and indices, stay
    return encoding, x, Scale(1, mean, std)


def table_facts(encoding: Any, target: str | None, like: Preprocessing | None) -> dict[str, Any]:
    """Return ``info`` of splits of a table: names of columns and features, and the encoding."""
    facts = {"columns": encoding.columns, "target": target}
    if like is not None and like.encoding is None:
        return facts  # a run's numbers
    return facts | {"features": encoding.features, "encoding": encoding.to_list()}


def typed_columns(
    cells: Mapping[str, Array], reader: Cells, place: Place, like: Preprocessing | None
) -> dict[str, Array]:
    """Return typed columns by name; errors name the cell."""
    kinds = {}
    if like is not None:
        kinds = {entry["column"]: entry["kind"] for entry in like.encoding or ()}
        kinds = kinds or dict.fromkeys(like.columns, "numbers")
    typed = {}
    for column, values in cells.items():
        try:
            typed[column] = reader.typed(column, values, kinds.get(column))
        except CellError as error:
            raise CellError(
                f"{place(error.row, column)}: {error}; correct it, or say words={column} if the "
                f"column has words, drop={column} if it is no input"
            ) from None
    return typed


def _plain_numbers(like, typed, name):
    """Return the entries of a run without an encoding; its columns are numbers without gaps."""
    for column, values in typed.items():
        if np.isnan(values).any():
            where = row_and_column(name, int(np.isnan(values).argmax()), column)
            raise ValueError(f"{where}: expected a number, got none; fill in what is missing")
    return [{"kind": "numbers", "column": c, "fill": 0.0, "gaps": False} for c in like.columns]


def row_and_column(name: str, row: int, column: str) -> str:
    """Return how messages name a cell of a table without a file."""
    return f"{name}: row {row}, column {column}"
