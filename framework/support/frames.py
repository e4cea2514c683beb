"""Tables as data frames of pandas or polars."""

import sys
from collections.abc import Sequence
from typing import Any

from firstlight.support.extras import installed, require

LIBRARIES = ("pandas", "polars")


def columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return dicts as columns, each with values of one type; None where a row has no value.

    Examples
    --------
    >>> from firstlight.support.frames import columns
    >>> columns([{"lr": 1, "norm": "batch"}, {"lr": 0.5}])
    {'lr': [1.0, 0.5], 'norm': ['batch', None]}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _one_type([row.get(name) for row in rows]) for name in names}


def frame(rows: Sequence[dict[str, Any]], who: str) -> Any:
    """Return dicts as a data frame of pandas or polars.

    It is the library that the program has imported, else the one that is installed; pandas if both
    are.

    Parameters
    ----------
    rows : list of dict
    who : str
        The caller, for the message.

    Raises
    ------
    MissingPackageError
        Neither is installed.
    """
    usable = [name for name in LIBRARIES if sys.modules.get(name) is not None]
    usable += [name for name in LIBRARIES if installed(name)]
    if not usable:
        require(who, "pandas", extra="pandas", instead="pip install polars")
    if usable[0] == "pandas":
        import pandas

        return pandas.DataFrame(columns(rows))
    import polars

    return polars.DataFrame(columns(rows))


def _one_type(values):
    """Return a column with values of one type: unchanged, as floats, or as texts."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {dict}:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
