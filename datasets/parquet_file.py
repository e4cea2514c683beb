"""parquet: load a table from a Parquet file, or from a folder of them."""

from pathlib import Path
from typing import Literal

from firstlight.data.splits import DataSplits
from firstlight.datasets.tables import from_table
from firstlight.support.extras import require


def parquet(
    path: str,
    *,
    target: str | None = None,
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    encode: Literal["onehot", "index"] = "onehot",
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
    like: str | None = None,
) -> DataSplits:
    """Load a table with one target column from a Parquet file, or from a folder of them.

    Columns of numbers, words and dates are encoded as `from_table` does. It needs PyArrow, the
    extra ``parquet``.

    Parameters
    ----------
    path : str
        The file, or a folder of files with the same columns.
    target : str, optional
        Name of the target column; by default the last, or that of ``like``. Words, whole numbers
        and booleans are classes, other numbers a regression.
    columns : tuple of str
        Names of the input columns; by default all but target and group.
    drop : tuple of str
        Names of columns that are no inputs.
    words : tuple of str
        Names of columns whose numbers or dates are taken as words.
    encode : {"onehot", "index"}
        Words as one feature each, or as one index for an embedding.
    regression : bool, optional
        True takes whole numbers in the target column for amounts, False all numbers for classes.
    standardize : bool
        Give each input column of numbers mean 0 and standard deviation 1 over the training rows.
    group : str, optional
        A column that is no input: rows with the same value go to the same split.
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

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        No Parquet file; no such column; a missing target.
    firstlight.support.extras.MissingPackageError
        PyArrow is not installed.
    """
    return from_table(
        read_parquet(path),
        target=target,
        columns=columns,
        drop=drop,
        words=words,
        encode=encode,
        regression=regression,
        standardize=standardize,
        group=group,
        shuffle=shuffle,
        val_size=val_size,
        test_size=test_size,
        folds=folds,
        fold=fold,
        seed=seed,
        batch_size=batch_size,
        like=like,
        name=Path(path).stem,
    )


def read_parquet(path: str):
    """Return the PyArrow table in a Parquet file or in a folder of them."""
    require("parquet", "pyarrow", extra="parquet", instead="save the table as .csv")
    if not Path(path).exists():
        raise FileNotFoundError(f"parquet: there is no file {path}")
    import pyarrow
    from pyarrow import parquet as files

    try:
        return files.read_table(path)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OSError) as error:
        raise ValueError(
            f"{path}: not a Parquet file that PyArrow reads ({error}); write it again"
        ) from error
