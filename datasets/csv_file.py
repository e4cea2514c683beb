"""csv: the user's own table."""

import csv as csv_module
import math
from pathlib import Path

import numpy as np

from firstlight.data import DataSplits
from firstlight.datasets.arrays import from_arrays


def csv(
    path: str,
    *,
    target: str | int = -1,
    header: bool | None = None,
    regression: bool = False,
    standardize: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    batch_size: int | None = None,
) -> DataSplits:
    """Load a table of numbers with one target column from a .csv file.

    Words or whole numbers in the target column are classes; other numbers make it a regression,
    with y of shape (N, 1). Cells are separated by comma, semicolon or tab, whichever the first
    line has most of.

    Parameters
    ----------
    path : str
        The file, in UTF-8.
    target : str or int
        Name or number (from 0; from -1 backwards) of the target column; the last by default.
    header : bool, optional
        Whether the first line has the columns' names; by default, if it has no number.
    regression : bool
        Take whole numbers in the target column for amounts, not classes.
    standardize : bool
        Give each input column mean 0 and standard deviation 1 over the training rows.
    val_size : float
        Share of the rows to validate on, or their number.
    test_size : float
        Share of the rows to test on, or their number.
    seed : int
        Chooses the rows of each split.
    batch_size : int, optional
        Rows in a batch; 32, or all training rows if there are fewer.

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
    names, lines, rows = _read(Path(path), header)
    column = _column(target, names, path)
    inputs = [i for i in range(len(names)) if i != column]
    if not inputs:
        raise ValueError(f"{path}: expected two or more columns, got {names}")
    x = np.array(
        [
            [_number(row[i], names[i], line, path) for i in inputs]
            for line, row in zip(lines, rows, strict=True)
        ],
        "float64",
    )
    y, classes = _targets([row[column] for row in rows], names[column], lines, regression, path)
    splits = from_arrays(
        x,
        y,
        val_size=val_size,
        test_size=test_size,
        seed=seed,
        classes=classes,
        batch_size=batch_size,
        standardize=standardize,
        name=Path(path).stem,
    )
    splits.info = {"columns": [names[i] for i in inputs], "target": names[column]}
    return splits


def _read(path, header):
    """Return the columns' names, and line number and cells of each row."""
    if not path.is_file():
        raise FileNotFoundError(f"csv: there is no file {path}")
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        reader = csv_module.reader(file, delimiter=max(",;\t", key=first.count))
        table = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    if not table:
        raise ValueError(f"{path} is empty: expected a line for each sample")
    width = len(table[0][1])
    for line, row in table:
        if len(row) != width:
            raise ValueError(f"{path}, line {line}: expected {width} cells, got {len(row)}")
    if header is None:
        header = not any(_is_number(cell) for cell in table[0][1])
    names = table.pop(0)[1] if header else [str(i) for i in range(width)]
    if not table:
        raise ValueError(f"{path} is empty: it has a header, and no line for a sample")
    lines, rows = zip(*table, strict=True)
    return names, lines, rows


def _column(target, names, path):
    if target in names:
        return names.index(target)
    try:
        return range(len(names))[int(target)]
    except (ValueError, IndexError):
        raise ValueError(
            f"{path}: there is no column {target!r}; the columns are {', '.join(names)}"
        ) from None


def _targets(cells, name, lines, regression, path):
    """Return y and the names of the classes, or None for a regression."""
    for cell, line in zip(cells, lines, strict=True):
        if not cell:
            raise ValueError(f"{path}, line {line}, column {name}: the target is missing")
    numbers = all(_is_number(cell) for cell in cells)
    if not regression and not numbers:
        return np.array(cells), None
    if not regression and all(cell.lstrip("+-").isdigit() for cell in cells):
        values, y = np.unique([int(cell) for cell in cells], return_inverse=True)
        return y, [str(value) for value in values]
    y = [_number(cell, name, line, path) for cell, line in zip(cells, lines, strict=True)]
    return np.array(y, "float32")[:, np.newaxis], None  # (N, 1)


def _number(cell, column, line, path):
    if not _is_number(cell) or not math.isfinite(float(cell)):
        raise ValueError(f"{path}, line {line}, column {column}: expected a number, got {cell!r}")
    return float(cell)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
