"""csv: load a table from a .csv file."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

from firstlight.data.splits import DataSplits
from firstlight.datasets._column_roles import input_columns, target_name
from firstlight.datasets._columns import Cells, as_texts
from firstlight.datasets._lines import CellError
from firstlight.datasets._table import Table
from firstlight.datasets._table_target import Target, check_float32
from firstlight.datasets.arrays import as_preprocessing, from_arrays
from firstlight.datasets.splitting import Splitting
from firstlight.datasets.tables import encoded_splits


def csv(
    path: str,
    *,
    target: str | int | None = None,
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    encode: Literal["onehot", "index"] = "onehot",
    date_format: str | None = None,
    header: bool | None = None,
    regression: bool | None = None,
    standardize: bool = True,
    delimiter: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    group: str | None = None,
    shuffle: bool = True,
    val_size: float = 0.1,
    test_size: float = 0.1,
    folds: int = 0,
    fold: int = 0,
    seed: int = 0,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load a table of numbers, words and dates with one target column from a .csv file.

    Words or whole numbers in the target column are classes; other numbers make it a regression,
    with y of shape (N, 1). Ambiguous targets are refused: whole numbers written as 1.0, and more
    than 20 different whole numbers that mostly occur once.

    Words, dates and missing cells (empty, -, ?, NA, N/A, NaN, null, none) of the inputs are encoded
    as numbers by the training rows; see `from_table`. Dates are written as 2024-12-31, 2024/12/31
    or 31.12.2024, the first also with a time. A column of which more than three quarters are
    numbers has no words: a cell that is no number is an error.

    Parameters
    ----------
    path : str
        The file.
    target : str or int, optional
        Name or number (from 0; from -1 backwards) of the target column; by default the last, or
        that of ``like``.
    columns : tuple of str
        Names of the input columns; by default all but the target.
    drop : tuple of str
        Names of columns that are no inputs.
    words : tuple of str
        Names of columns whose numbers are taken as words, e.g. postal codes.
    encode : {"onehot", "index"}
        Words as one feature each, or as one index for an embedding.
    date_format : str, optional
        How dates are written, if in another way, e.g. %d/%m/%Y.
    header : bool, optional
        Whether the first line has the columns' names; detected by default.
    regression : bool, optional
        True takes whole numbers in the target column for amounts, False all numbers for classes.
    standardize : bool
        Give each input column of numbers mean 0 and standard deviation 1 over the training rows.
    delimiter : str, optional
        Separator of cells; by default comma, semicolon, tab or bar is detected.
    decimal : str
        Decimal mark of numbers, . or ,
    encoding : str
        Of the text, e.g. latin-1 for older files.
    group : str, optional
        A column that is no input: rows with the same cell, e.g. of one patient, go to the same
        split.
    shuffle : bool
        If False, the first rows train and the last ones test, e.g. for rows in time order.
    val_size : float
        Share of the rows to validate on, or their number.
    test_size : float
        Share of the rows to test on, or their number.
    folds : int
        Number of folds for cross-validation; 0 for none.
    fold : int
        The fold, from 0, that is the test data.
    seed : int
        Chooses the rows of each split.
    batch_size : int, optional
        Rows in a batch; 32, or all training rows if there are fewer.
    like : str, optional
        A run's folder: columns, encoding, classes and scale are those that its network was trained
        with. The target column may then be missing.

    Returns
    -------
    DataSplits
        ``info["columns"]`` names the inputs, and, where they are encoded, ``info["features"]``
        the features.

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
    names, name = table.names, Path(path).stem
    cure = "write these names over the columns"
    if not table.header:
        cure = "begin the file with a line of these names"
    target = target_name(target, names, like, path)
    inputs = input_columns(names, target, columns, drop, group, like, path, cure)
    splitting = Splitting(val_size, test_size, seed, shuffle, folds, fold)
    found = None
    if not words and (like is None or like.encoding is None):
        found = _read_numbers(table, inputs, target, group, like)
    x, cells = (None, table.cells([*inputs, target, group])) if found is None else found
    about = None
    if target is not None:
        place = partial(table.place, column=target)
        about = Target(cells[target], f"{path}, column {target}", place, decimal)
    groups = None if group is None else as_texts(cells[group])
    if x is None:
        return encoded_splits(
            {column: cells[column] for column in inputs},
            about,
            Cells(words, date_format, decimal),
            table.place,
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
    if like is None and not standardize:
        for column, values in zip(inputs, x.T, strict=True):
            check_float32(values, f"{path}, column {column}")
    y, classes = (None, None) if about is None else about.read(regression, like)
    splits = from_arrays(
        x,
        y,
        **asdict(splitting),
        groups=groups,
        classes=classes,
        regression=None if y is None else classes is None,
        batch_size=batch_size,
        standardize=standardize,
        like=like,
        name=name,
    )
    splits.info = {"columns": inputs, "target": target}
    return splits


def _read_numbers(table, inputs, target, group, like):
    """Return inputs (N, C), and the texts of other columns; None if an input has other cells.

    A run without an encoding needs numbers: its error is raised.
    """
    try:
        return table.read(inputs, [name for name in (target, group) if name is not None])
    except CellError:
        if like is not None:
            raise
        return None
