"""series: windows of a table whose rows are in time order, and what follows each of them."""

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.datasets._column_roles import column_index, input_columns
from firstlight.datasets._columns import Cells, table_columns
from firstlight.datasets._table import Table
from firstlight.datasets._table_target import Target
from firstlight.datasets.arrays import as_preprocessing, prepared
from firstlight.datasets.parquet_file import read_parquet
from firstlight.datasets.splitting import Splitting
from firstlight.datasets.tables import Place, fitted, row_and_column, table_facts, typed_columns
from firstlight.support.files import PathLike


def series(
    path: str,
    *,
    target: str | None = None,
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    time: str | None = None,
    window: int = 24,
    horizon: int = 1,
    stride: int = 1,
    future: bool = False,
    standardize: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    folds: int = 0,
    fold: int = 0,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load windows of a time series from a .csv or Parquet file whose rows are in time order.

    See `from_series`.

    Parameters
    ----------
    path : str
        The file.
    target : str, optional
        Name of the column to predict; by default the last, or that of ``like``.
    columns : tuple of str
        Names of the input columns; by default all, the target's past among them.
    drop : tuple of str
        Names of columns that are no inputs.
    words : tuple of str
        Names of columns whose numbers are taken as words.
    time : str, optional
        Name of a column of dates or numbers by which the rows are sorted first. It is no input,
        unless it is among ``columns``.
    window : int
        Rows in a sample.
    horizon : int
        Rows after the window whose target is predicted.
    stride : int
        Rows from the start of a window to that of the next one.
    future : bool
        Load the last window alone, whose targets are not known yet.
    standardize : bool
        Give each input column of numbers mean 0 and standard deviation 1 over the training rows.
    val_size : float
        Share of the rows to validate on, or their number; they follow those that train.
    test_size : float
        Share of the rows to test on, or their number, at the end.
    folds : int
        Number of folds for cross-validation; 0 for none. The rows before a fold train.
    fold : int
        The fold, from 0, that is the test data.
    batch_size : int, optional
        Windows in a batch; 32, or all training windows if there are fewer.
    like : str, optional
        A run's folder: columns, encoding and scale are those that its network was trained with.
        The target column may then be missing.

    Returns
    -------
    DataSplits
        x of shape (N, window, features), y of shape (N, horizon).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        No such column; a cell that is no number; too few rows for a window.
    """
    if Path(path).suffix.lower() == ".parquet":
        table, place = read_parquet(path), None
    else:
        lines = Table(Path(path), None, None, ".", "utf-8")
        table, place = lines.cells(lines.names), lines.place
    return from_series(
        table,
        target=target,
        columns=columns,
        drop=drop,
        words=words,
        time=time,
        window=window,
        horizon=horizon,
        stride=stride,
        future=future,
        standardize=standardize,
        val_size=val_size,
        test_size=test_size,
        folds=folds,
        fold=fold,
        batch_size=batch_size,
        like=like,
        name=Path(path).stem,
        place=place,
    )


def from_series(
    table: Any,
    *,
    target: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    words: Sequence[str] = (),
    time: str | None = None,
    window: int = 24,
    horizon: int = 1,
    stride: int = 1,
    future: bool = False,
    standardize: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    folds: int = 0,
    fold: int = 0,
    batch_size: int | None = None,
    like: PathLike | Preprocessing | None = None,
    name: str = "series",
    place: Place | None = None,
) -> DataSplits:
    """Return windows of a table's rows as samples, and the target of the next rows.

    Sample i of a split with the rows r and targets t, for a window of W and a horizon of H rows::

        x_i = r[iS : iS + W]        y_i = t[iS + W : iS + W + H]        S = stride

    The rows are cut into train, validation and test data in time order first. No window reaches
    over a cut, so that no row is in two splits. Columns are encoded as `from_table` does, by the
    training rows. Windows are views of the rows and take no memory.

    Parameters
    ----------
    table
        As of `from_table`, its rows in time order.
    target, columns, drop, words, time, window, horizon, stride, future, standardize
        As of `series`.
    val_size, test_size, folds, fold, batch_size, like
        As of `series`.
    name : str
    place : callable, optional
        ``place(row, column)`` names a cell, for messages.

    Returns
    -------
    DataSplits

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets import from_series
    >>> splits = from_series({"t": np.arange(100.0)}, window=4, horizon=2, standardize=False)
    >>> splits
    DataSplits(series: 75 train, 5 val, 5 test; x (4, 1), regression)
    >>> x, y = splits.val[0]
    >>> x.ravel().tolist(), y.tolist()
    ([80.0, 81.0, 82.0, 83.0], [84.0, 85.0])
    """
    found, like = table_columns(table, name), as_preprocessing(like)
    place, names = place or partial(row_and_column, name), list(found)
    for what, number in (("window", window), ("horizon", horizon), ("stride", stride)):
        if number < 1:
            raise ValueError(f"{name}: expected {what} of 1 or more, got {number}")
    if target is None and like is not None:
        target = like.target_column if like.target_column in names else None
    else:
        target = names[column_index(-1 if target is None else target, names, name)]
    ignored = () if time is None or time in columns else (time,)
    inputs = input_columns(names, None, columns, (*drop, *ignored), None, like, name)
    reader = Cells(words)
    if time is not None:
        found, place = _sorted(found, time, place, name)
    typed = typed_columns({column: found[column] for column in inputs}, reader, place, like)
    if time is None:
        _warn_of_order(typed, name)
    t = None
    if target is not None and not future:
        about = Target(found[target], f"{name}, column {target}", partial(place, column=target))
        t = about.read(True)[0][:, 0].astype("float32")  # (rows,)
    splitting = Splitting(val_size, test_size, shuffle=False, folds=folds, fold=fold)
    indices = splitting.indices(len(found[inputs[0]]), name=name)
    encoding, rows, scale = fitted(typed, indices[0], "onehot", standardize, like, name)
    if scale is None and like is None:
        rows = rows.astype("float32")
    parts = {}
    for split, places in zip(SPLITS, indices, strict=True):
        if len(places) or split == "train":
            own = slice(places[0], places[-1] + 1)
            after = None if t is None else t[own]
            parts[split] = _windows(rows[own], after, window, horizon, stride, f"{name}: {split}")
    if future:
        parts = dict.fromkeys(SPLITS, (rows[np.newaxis, -window:],))
    splits = prepared(parts, name, None, batch_size, scale, like=like)
    splits.info = table_facts(encoding, target, like) | {"window": window, "horizon": horizon}
    return splits


def _sorted(columns, time, place, name):
    """Return columns in the order of time, and a ``place`` of their rows."""
    try:
        times = Cells().typed(time, columns[time])
    except KeyError:
        raise ValueError(
            f"{name}: there is no column {time!r}; the columns are {', '.join(columns)}"
        ) from None
    if times is None or times.dtype.kind == "O":
        raise ValueError(f"{name}: expected dates or numbers in the column {time}, got words")
    missing = np.isnan(times) if times.dtype.kind == "f" else np.isnat(times)
    if missing.any():
        raise ValueError(f"{place(int(missing.argmax()), time)}: the time is missing")
    order = np.argsort(times, kind="stable")
    ordered = {column: cells[order] for column, cells in columns.items()}
    return ordered, lambda row, column: place(int(order[row]), column)


def _warn_of_order(typed, name):
    """Warn of dates that fall from row to row: windows would hold what comes after them."""
    for column, values in typed.items():
        if values.dtype.kind == "M" and (np.diff(values).astype("int64") < 0).any():
            warnings.warn(
                f"{name}: the rows are not in the order of the dates in column {column}, so that "
                f"windows may hold what comes later; time={column} sorts by it",
                stacklevel=4,
            )


def _windows(rows, t, window, horizon, stride, who):
    """Return views of rows (M, F) and of targets (M,): (N, window, F) and (N, horizon)."""
    needed = window + horizon * (t is not None)
    if len(rows) < needed:
        raise ValueError(
            f"{who} has {len(rows)} rows, fewer than window + horizon, {needed}; choose a smaller "
            "window, or a larger val_size or test_size (0 leaves the split out)"
        )
    x = sliding_window_view(rows, window, axis=0).swapaxes(1, 2)[::stride]  # (N, window, F)
    if t is None:
        return (x,)
    y = sliding_window_view(t[window:], horizon)[::stride]  # (N, horizon)
    return x[: len(y)], y
