"""csv: load a table from a .csv file."""

import re
import warnings
from pathlib import Path

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.datasets._table import Table, as_number, is_number
from firstlight.datasets.arrays import as_preprocessing, from_arrays
from firstlight.datasets.targets import check_class_count


def csv(
    path: str,
    *,
    target: str | int | None = None,
    columns: tuple[str, ...] = (),
    header: bool | None = None,
    regression: bool | None = None,
    standardize: bool = True,
    delimiter: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load a table of numbers with one target column from a .csv file.

    Words or whole numbers in the target column are classes; other numbers make it a regression,
    with y of shape (N, 1). Ambiguous targets are refused: whole numbers written as 1.0, and more
    than 20 different whole numbers that mostly occur once.

    Parameters
    ----------
    path : str
        The file.
    target : str or int, optional
        Name or number (from 0; from -1 backwards) of the target column; by default the last, or
        that of ``like``.
    columns : tuple of str
        Names of the input columns; by default all but the target.
    header : bool, optional
        Whether the first line has the columns' names; detected by default.
    regression : bool, optional
        True takes whole numbers in the target column for amounts, False all numbers for classes.
    standardize : bool
        Give each input column mean 0 and standard deviation 1 over the training rows.
    delimiter : str, optional
        Separator of cells; by default comma, semicolon, tab or bar is detected.
    decimal : str
        Decimal mark of numbers, . or ,
    encoding : str
        Of the text, e.g. latin-1 for older files.
    val_size : float
        Share of the rows to validate on, or their number.
    test_size : float
        Share of the rows to test on, or their number.
    seed : int
        Chooses the rows of each split.
    batch_size : int, optional
        Rows in a batch; 32, or all training rows if there are fewer.
    like : str, optional
        A run's folder: columns, classes and scale are those that its network was trained with.
        The target column may then be missing.

    Returns
    -------
    DataSplits
        ``info["columns"]`` names the inputs.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        No such column, a line of another length, or a cell that is no number; with its line.
    """
    like = as_preprocessing(like)
    if like is not None and like.columns is None:
        raise ValueError(f"{path}: the run was not trained on a table; it has no columns")
    known = () if like is None else like.columns
    table = Table(Path(path), header, delimiter, decimal, encoding, known)
    names = table.names
    if target is None and like is not None:
        column = names.index(like.target_column) if like.target_column in names else None
    else:
        column = _column(-1 if target is None else target, names, path)
    if like is None:
        inputs = _inputs(columns, names, column, path)
    else:
        inputs = _run_inputs(like, columns, table, column)
    x, words = table.read(inputs, [] if column is None else [column])
    if like is None and not standardize:
        _check_float32(x, inputs, table)
    y, classes = None, None
    if column is not None:
        y, classes = _targets(words[0], column, table, regression, like)
    splits = from_arrays(
        x,
        y,
        val_size=val_size,
        test_size=test_size,
        seed=seed,
        classes=classes,
        regression=None if y is None else classes is None,
        batch_size=batch_size,
        standardize=standardize,
        like=like,
        name=Path(path).stem,
    )
    splits.info = {
        "columns": [names[i] for i in inputs],
        "target": None if column is None else names[column],
    }
    return splits


def _column(target, names, path):
    if target in names:
        return names.index(target)
    try:
        return range(len(names))[int(target)]
    except (ValueError, IndexError):
        raise ValueError(
            f"{path}: there is no column {target!r}; the columns are {', '.join(names)}"
        ) from None


def _inputs(columns, names, target, path):
    found = [_column(name, names, path) for name in columns]
    found = found or [i for i in range(len(names)) if i != target]
    if not found:
        raise ValueError(f"{path}: expected two or more columns, got {names}")
    if target in found:
        raise ValueError(f"{path}: column {names[target]} is the target, and no input")
    return found


def _run_inputs(like, columns, table, target):
    """Return the indices of a run's input columns."""
    path, names, trained = table.path, table.names, ", ".join(like.columns)
    missing = [name for name in like.columns if name not in names]
    if missing:
        cure = (
            "write these names over the columns"
            if table.header
            else "begin the file with a line of these names"
        )
        raise ValueError(
            f"{path}: there is no column {', '.join(missing)}; the run was trained on {trained}, "
            f"and the columns are {', '.join(names)}; {cure}"
        )
    asked = [names[i] for i in _inputs(columns, names, target, path)] if columns else like.columns
    if {*asked} != {*like.columns}:
        raise ValueError(
            f"{path}: columns are {', '.join(asked)}, and the run was trained on {trained}; leave "
            "out columns"
        )
    places = [names.index(name) for name in like.columns]
    unused = [name for i, name in enumerate(names) if i not in (*places, target)]
    if unused:
        warnings.warn(
            f"{path}: the run was not trained on column {', '.join(unused)}; it is left out",
            stacklevel=3,
        )
    return places


def _targets(cells, column, table, regression, like):
    """Return y and the names of the classes, or None for a regression."""
    if "" in cells:
        place = table.place(cells.index(""), column)
        raise ValueError(f"{place}: the target is missing; leave out the line")
    if like is not None:
        return _amounts(cells, column, table) if like.classes is None else _classes(cells)
    place = f"{table.path}, column {table.names[column]}"
    numbers = all(is_number(cell, table.decimal) for cell in set(cells))
    if regression or (numbers and regression is None and not _are_whole(cells, place)):
        return _amounts(cells, column, table)
    y, classes = _classes(cells)
    if regression is None:
        what = "whole numbers" if numbers else "words"
        check_class_count(len(classes), len(y), place, f"{what} as targets")
    if numbers:
        _check_spelling(classes, place)
    return y, classes


def _are_whole(cells, place):
    """Return whether all numbers are integers; raise a ValueError if that is ambiguous."""
    different = set(cells)
    if all(cell.lstrip("+-").isdigit() for cell in different):
        return True
    whole = all(re.fullmatch(r"[+]?\d+([.,]0*)?", cell) for cell in different)
    if whole and len(different) <= 20 and 2 * len(different) <= len(cells):
        raise ValueError(
            f"{place}: {', '.join(sorted(different))} may be class labels or amounts: say "
            "regression=false for classes, regression=true for a regression"
        )
    return False


def _check_spelling(classes, place):
    """Raise a ValueError if two classes are one number, as 1 and 01 are."""
    found = {}
    for name in classes:
        other = found.setdefault(float(name.replace(",", ".")), name)
        if other != name:
            raise ValueError(
                f"{place}: {other} and {name} are the same number; spell it alike, or let classes "
                "that differ begin with a letter"
            )


def _classes(cells):
    """Return labels and the classes' names, in numerical or alphabetical order."""
    names = set(cells)
    by_size = all(is_number(name) for name in names)
    classes = sorted(names, key=(lambda name: (float(name), name)) if by_size else None)
    place = {name: label for label, name in enumerate(classes)}
    return np.fromiter((place[cell] for cell in cells), "int64", len(cells)), classes


def _amounts(cells, column, table):
    y = np.empty((len(cells), 1))
    for row, cell in enumerate(cells):
        y[row] = as_number(cell, table.decimal) if is_number(cell, table.decimal) else np.nan
    table.check_finite(y[:, 0], column, cells)
    _check_float32(y, [column], table)
    return y, None


def _check_float32(values, columns, table):
    """Raise a ValueError if float32 cannot distinguish most values of a column."""
    for column, numbers in zip(columns, values.T, strict=True):
        size = np.abs(numbers).max()
        if np.ptp(numbers) < 1e-4 * size:
            different = len(np.unique(numbers)), len(np.unique(numbers.astype("float32")))
            if 2 * different[1] < different[0]:
                raise ValueError(
                    f"{table.path}, column {table.names[column]}: float32 distinguishes "
                    f"only {different[1]:,} of {different[0]:,} different numbers near {size:.6g}; "
                    "subtract their mean, or use standardize=true for inputs"
                )
