"""Data sets: ``load("digits")``, ``load("mnist")``, ``load("my.csv", target="label")``."""

import difflib
import inspect
from typing import Any

from firstlight import hookimpl, plugins
from firstlight.data.sources import find_source
from firstlight.data.splits import DataSplits
from firstlight.datasets.arithmetic import arithmetic
from firstlight.datasets.arrays import from_arrays
from firstlight.datasets.cifar import cifar10, cifar100
from firstlight.datasets.corpus import prepare_tokens
from firstlight.datasets.csv_file import csv
from firstlight.datasets.digits import digits
from firstlight.datasets.hugging_face import from_hugging_face, hf, is_hugging_face
from firstlight.datasets.images import images
from firstlight.datasets.mnist import fashion_mnist, kmnist, mnist
from firstlight.datasets.npz_file import npz
from firstlight.datasets.parquet_file import parquet
from firstlight.datasets.polynomial import polynomial
from firstlight.datasets.prml import prml
from firstlight.datasets.series import from_series, series
from firstlight.datasets.tables import from_table
from firstlight.datasets.text import text
from firstlight.datasets.tiny_shakespeare import tiny_shakespeare
from firstlight.plugins import Registry

__all__ = [
    "arithmetic",
    "cifar10",
    "cifar100",
    "csv",
    "digits",
    "fashion_mnist",
    "from_arrays",
    "from_hugging_face",
    "from_series",
    "from_table",
    "hf",
    "images",
    "kmnist",
    "load",
    "mnist",
    "npz",
    "parquet",
    "polynomial",
    "prepare_tokens",
    "prml",
    "series",
    "text",
    "tiny_shakespeare",
]


@hookimpl
def register_datasets(registry: Registry) -> None:
    """Register firstlight's own data sets by name."""
    of_files = (npz, csv, parquet, series, hf, text, images)
    pictures = (digits, mnist, fashion_mnist, kmnist, cifar10, cifar100)
    own = (*pictures, polynomial, tiny_shakespeare, arithmetic, prml)
    for function in (*own, *of_files):
        registry.add(function.__name__, function)


def load(name_or_path: Any, **arguments: Any) -> DataSplits:
    """Load a data set by name, from a file, or from an object of Hugging Face or a table.

    Parameters
    ----------
    name_or_path : str, path, or object
        A registered name (``firstlight data`` lists them), ``"package.module:function"``, or the
        path of a .csv, .npz, .npy or .txt file. A file of another ending is named with its kind,
        "csv:table.dat". Or a ``Dataset`` or ``DatasetDict`` of Hugging Face, or a table of
        pandas, Polars or PyArrow: see `from_hugging_face` and `from_table`.
    **arguments
        Arguments of the data set's function, e.g. `firstlight.datasets.mnist`.

    Returns
    -------
    DataSplits

    Raises
    ------
    KeyError
        There is no data set of this name.
    TypeError
        An argument is unknown or missing.

    Examples
    --------
    >>> import firstlight as fl
    >>> splits = fl.datasets.load("digits", batch_size=64)
    >>> splits
    DataSplits(digits: 1258 train, 180 val, 359 test; x (8, 8, 1), 10 classes)
    """
    if is_hugging_face(name_or_path):
        return from_hugging_face(name_or_path, **arguments)
    if hasattr(name_or_path, "column_names") or hasattr(name_or_path, "columns"):
        return from_table(name_or_path, **arguments)
    name, path = find_source(str(name_or_path))
    if path is not None:
        arguments = {"path": path, **arguments}
    function = plugins.registry("dataset").get(name)
    _check_arguments(name, function, arguments)
    splits = function(**arguments)
    if not isinstance(splits, DataSplits):
        raise TypeError(
            f"load({name!r}): expected {function.__module__}.{function.__qualname__} to return "
            f"DataSplits, got {type(splits).__name__}"
        )
    splits.loaded_as = name, _with_defaults(function, arguments)  # for the record of a run
    return splits


def _with_defaults(function, arguments):
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | arguments


def _check_arguments(name, function, arguments):
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for argument in arguments:
        if argument not in parameters:
            close = difflib.get_close_matches(argument, parameters, n=1)
            hint = f"did you mean {close[0]}? It" if close else "it"
            raise TypeError(
                f"load({name!r}): there is no argument {argument}; {hint}"
                f" takes {', '.join(parameters) or 'none'}"
            )
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in arguments]
    if missing:
        raise TypeError(f"load({name!r}): it needs {', '.join(missing)}")
