"""Columns: read cells as numbers, dates or words, the typed columns of an encoding.

A *typed* column is float64 with NaN, datetime64[s] with NaT, or objects (str) with None where a
cell is missing; see `firstlight.data.encoding`.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from firstlight.datasets._lines import MISSING, CellError, as_number, is_number
from firstlight.support.array import Array

MOSTLY = 0.75  # a column with more numbers (or dates) than this has no words, but errors
LONG = 50  # characters that no number has
# Patterns are compiled on first use, so that importing is fast.
ALMOST = r"[+-]?[\d.,' _]*\d[\d.,' _]*([eE][+-]?\d+)?"  # a number, or nearly one
DATES = {  # accepted without a format: a day and a month could be confused in others
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?": "",
    r"\d{4}/\d\d?/\d\d?": "%Y/%m/%d",
    r"\d\d?\.\d\d?\.\d{4}": "%d.%m.%Y",
}


@dataclass
class Cells:
    """How cells are read.

    Parameters
    ----------
    words : collection of str
        Columns of words, though they look like numbers or dates.
    date_format : str or None
        Of dates in a text, as `datetime.datetime.strptime` takes it. A column whose dates have
        another of the common formats keeps that.
    decimal : {".", ","}
    """

    words: Collection[str] = ()
    date_format: str | None = None
    decimal: str = "."

    def __post_init__(self) -> None:
        """Refuse a text, in which parts of names would be found."""
        if isinstance(self.words, str):
            raise TypeError(f"expected words={self.words.split(',')}, got {self.words!r}")

    def typed(self, column: str, cells: Array, kind: str | None = None) -> Array:
        """Return a typed column; one without a known cell is one of words.

        Parameters
        ----------
        column : str
            Its name.
        cells : array, shape (N,)
        kind : {"numbers", "dates", "words"}, optional
            That of the column in training; by default it is detected.

        Raises
        ------
        CellError
            A cell is neither missing nor of the kind of its column.
        """
        if cells.ndim != 1:
            raise ValueError(f"column {column}: expected one value a row, got shape {cells.shape}")
        kind = kind or ("words" if column in self.words else None)
        if cells.dtype.kind in "biuf" and kind != "words":
            return self._finite(column, cells.astype("float64"), cells)
        if cells.dtype.kind == "m":
            return cells.astype("timedelta64[s]").astype("float64")
        if cells.dtype.kind == "M" and kind != "words":
            return cells.astype("datetime64[s]")
        texts = [None if is_missing_cell(cell) else cell for cell in cells.tolist()]
        known = [text for text in texts if text is not None]
        style = self._style(known)
        kind = kind or self._kind(known, style)
        if kind == "words":
            return _objects([None if cell is None else str(cell).strip() for cell in texts])
        if kind == "dates":
            read, missing, dtype = partial(_date, style=style), "NaT", "datetime64[s]"
        else:
            read, missing, dtype = self._number, np.nan, "float64"
        found = {None: missing}
        for cell in dict.fromkeys(known):
            try:
                found[cell] = read(cell)
            except (ValueError, TypeError, OverflowError):
                raise CellError(self._expected(kind, cell), texts.index(cell)) from None
        values = np.array([found[cell] for cell in texts], dtype)
        return values if kind == "dates" else self._finite(column, values, cells)

    def _style(self, known):
        """Return `date_format`, or None if more cells are dates without it.

        It is one for the whole column: a day and a month could be confused in mixed ones.
        """
        if self.date_format is None:
            return None
        given, common = (
            sum(_is_date(cell, style) for cell in {*known}) for style in (self.date_format, None)
        )
        return None if common > given else self.date_format

    def _kind(self, known, style):
        """Return "numbers", "dates" or "words", by what most cells are."""
        count = Counter(known)
        read = {"dates": partial(_is_date, style=style), "numbers": self._is_almost_number}
        for kind, fits in read.items():
            if sum(n for cell, n in count.items() if fits(cell)) > MOSTLY * len(known):
                return kind
        return "words"

    def _is_almost_number(self, cell):
        if isinstance(cell, str):
            return is_number(cell, self.decimal) or (
                len(cell) < LONG and bool(re.fullmatch(ALMOST, cell.strip()))
            )
        return isinstance(cell, Real) or hasattr(cell, "as_tuple")  # a Decimal

    def _number(self, cell):
        return as_number(cell, self.decimal) if isinstance(cell, str) else float(cell)

    def _finite(self, column, values, cells):
        infinite = np.isinf(values)
        if infinite.any():
            row = int(infinite.argmax())
            raise CellError(self._expected("numbers", cells[row]), row)
        return values

    def _expected(self, kind, cell):
        noun = "a date" if kind == "dates" else "a number"
        comma = self.decimal == "." and re.fullmatch(r"[+-]?\d+,\d+", str(cell))
        cure = "; for decimal commas say decimal=','" if comma else ""
        if kind == "dates":
            cure = "; for another format say date_format=%d/%m/%Y (csv), or pass datetimes"
        return f"expected {noun}, got {str(cell)[:40]!r}{cure}"


def _is_date(cell, style=None):
    try:
        _date(cell, style)
    except (ValueError, TypeError):
        return False
    return True


def _date(cell, style=None):
    """Return a cell as a naive datetime, in UTC if it has a zone; its format may be common."""
    if isinstance(cell, str):
        cell = cell.strip()
        if style is None:
            style = next((s for form, s in DATES.items() if re.fullmatch(form, cell)), None)
        if style is None:
            raise ValueError(f"no date: {cell!r}")
        found = datetime.strptime(cell, style) if style else datetime.fromisoformat(cell)
    elif isinstance(cell, date):
        found = cell if isinstance(cell, datetime) else datetime(*cell.timetuple()[:3])
    else:
        raise TypeError(f"no date: {cell!r}")
    found = found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(found, "s")


def table_columns(table: Any, name: str) -> dict[str, Array]:
    """Return the columns of a table by name.

    Parameters
    ----------
    table
        A dict of arrays, or a table of pandas, Polars, PyArrow or Hugging Face: anything with
        ``column_names`` or ``columns``, and columns by name.
    name : str
        Used in messages.

    Raises
    ------
    TypeError
        Something else.
    ValueError
        Columns of different lengths.
    """
    names = getattr(table, "column_names", None) or getattr(table, "columns", None)
    if isinstance(table, dict):
        names = table
    if names is None:
        raise TypeError(
            f"{name}: expected a table, or a dict of columns, got {type(table).__name__}"
        )
    columns = {str(column): _array(table[column]) for column in names}
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1 or not lengths:
        raise ValueError(f"{name}: expected columns of one length, got {lengths}")
    return columns


def _array(column):
    """Return one column as an array; lists keep None."""
    if hasattr(column, "dictionary_decode"):  # categories of PyArrow
        column = column.dictionary_decode() if "dictionary" in str(column.type) else column
    if hasattr(column, "to_numpy"):
        return np.asarray(column.to_numpy())
    if isinstance(column, np.ndarray):
        return column
    values = list(column)
    return np.array(values) if values and isinstance(values[0], np.ndarray) else _objects(values)


def _objects(values: Sequence[Any]) -> Array:
    made = np.empty(len(values), "O")
    made[:] = values
    return made


def is_missing_cell(cell: Any) -> bool:
    """Return whether a cell is a gap: None, NaN, NaT, or a text such as "n/a"."""
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float) and cell != cell


def as_texts(cells: Array) -> list[str]:
    """Return cells as texts without blanks around them, "" where one is missing."""
    return ["" if is_missing_cell(cell) else str(cell).strip() for cell in cells.tolist()]
