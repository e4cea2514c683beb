"""Table: read the columns of a .csv file with NumPy's parser.

`numpy.loadtxt` splits lines into cells and parses numbers in C. It gets lines that were checked
one by one, so that an error names the line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from firstlight.datasets._lines import (
    MISSING,
    CellError,
    Lines,
    as_number,
    is_number,
    shortened,
)
from firstlight.support.array import Array

INSPECTED = 100  # lines that decide about delimiter and header
DELIMITERS = ";\t,|"  # in order of preference; a comma may be a decimal mark


@dataclass(eq=False, repr=False)
class Table:
    """The columns and cells of a .csv file.

    Parameters
    ----------
    path : pathlib.Path
    header : bool or None
        Whether the first line has the columns' names; None decides by the first lines.
    delimiter : str or None
        None decides by the first lines.
    decimal : {".", ","}
    encoding : str
    known : list of str, optional
        Names that a header contains.

    Attributes
    ----------
    names : list of str
        Of the columns; "0", "1", ... without a header.
    header : bool

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is empty, or its first lines are ambiguous.
    """

    path: Path
    header: bool | None
    delimiter: str | None
    decimal: str
    encoding: str
    known: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Read the first lines, and detect delimiter and header."""
        path, decimal, delimiter = self.path, self.decimal, self.delimiter
        if not path.is_file():
            raise FileNotFoundError(f"csv: there is no file {path}")
        if decimal not in (".", ","):
            raise ValueError(f"csv: expected decimal . or , got {decimal!r}")
        if delimiter is not None and len(delimiter) != 1:
            raise ValueError(f"csv: expected one character as delimiter, got {delimiter!r}")
        first = list(islice(Lines(path, self.encoding), INSPECTED))
        if not first:
            raise ValueError(f"{path} is empty: expected a line for each sample")
        self.delimiter = delimiter or find_delimiter(first)
        rows = [self._cells(line) for line in first]
        place = f"{path}, line 1"
        if self.header is None:
            known = bool(self.known) and set(self.known) <= set(rows[0])
            self.header = known or has_header(rows, decimal, place)
        self.names: list[str] = rows[0] if self.header else [str(i) for i in range(len(rows[0]))]
        _check_names(self.names, place)
        if self.header and len(rows) == 1:
            raise ValueError(f"{path} is empty: it has a header, and no line for a sample")

    def read(
        self, numbers: Sequence[str], words: Sequence[str] = ()
    ) -> tuple[Array, dict[str, Array]]:
        """Return columns of numbers as one array, and columns of words by name.

        Parameters
        ----------
        numbers : list of str
            Names of the columns, in the wanted order.
        words : list of str

        Returns
        -------
        x : array of float64, shape (N, len(numbers))
        texts : dict of str to array of str objects, shape (N,)

        Raises
        ------
        ValueError
            A line of another length, or a cell that is no number; with its line.
        """
        lines = Lines(self.path, self.encoding)
        source = islice(lines, int(self.header), None)
        numbers = [self.names.index(name) for name in numbers]
        fields = self._fields(numbers)
        kinds = [(str(at), "f8", (width,)) if width else (str(at), "O") for at, width in fields]
        converters = None
        if self.decimal == ",":
            converters = dict.fromkeys(numbers, lambda cell: as_number(cell, ","))
        try:
            table = np.loadtxt(source, kinds, converters=converters, ndmin=1, **self._style)
        except ValueError as error:
            raise self._explained(error, lines) from error
        x = self._joined(table, fields, numbers)
        for column, values in zip(numbers, x.T, strict=True):
            self._check_finite(values, self.names[column])
        return x, self._texts(table, words)

    def cells(self, columns: Sequence[str | None]) -> dict[str, Array]:
        """Return columns of texts by name, each an array (N,) of str objects.

        Raises
        ------
        ValueError
            A line of another length, with its line.
        """
        lines = Lines(self.path, self.encoding)
        source = islice(lines, int(self.header), None)
        kinds = [(str(at), "O") for at in range(len(self.names))]
        try:
            table = np.loadtxt(source, kinds, ndmin=1, **self._style)
        except ValueError as error:
            raise self._explained(error, lines) from error
        return self._texts(table, [name for name in columns if name is not None])

    def place(self, row: int, column: str) -> str:
        """Return file, line and column of a cell, for messages; rows count from 0."""
        lines = Lines(self.path, self.encoding)
        for _ in islice(lines, row + 1 + self.header):
            pass
        return f"{lines.place}, column {column}"

    def _texts(self, table, names):
        texts = {name: table[str(self.names.index(name))] for name in names}
        for column in texts.values():
            column[:] = [cell.strip() for cell in column]
        return texts

    def _check_finite(self, values, column):
        """Raise a CellError that names the first cell of a column without a finite number."""
        good = np.isfinite(values)
        if not good.all():
            row = int(good.argmin())
            raise CellError(
                f"{self.place(row, column)}: expected a number, got '{values[row]}'; fill in what "
                "is missing, or leave out the line"
            )

    @property
    def _style(self):
        return {"delimiter": self.delimiter, "quotechar": '"', "comments": None, "encoding": None}

    def _cells(self, line):
        cells = np.loadtxt([line], "O", ndmin=1, **self._style)
        return [cell.strip() for cell in cells.tolist()]

    def _fields(self, numbers):
        """Return ``(first column, width)`` of adjacent columns of numbers; width 0 for words."""
        wanted, fields = set(numbers), []
        for column in range(len(self.names)):
            if column in wanted and fields and fields[-1][1]:
                fields[-1] = fields[-1][0], fields[-1][1] + 1
            else:
                fields.append((column, int(column in wanted)))
        return fields

    def _joined(self, table, fields, numbers):
        found = {at: table[str(at)] for at, width in fields if width}
        if len(found) == 1 and numbers == sorted(numbers):
            return next(iter(found.values()))  # a view of the table
        columns = {at + i: part[:, i] for at, part in found.items() for i in range(part.shape[1])}
        return np.stack([columns[column] for column in numbers], axis=1)

    def _explained(self, error, lines):
        """Return a parser's error with file, line, column and cure."""
        text = str(error)
        if found := re.search(r"string (['\"].*) to float64 at row \d+, column (\d+)", text, re.S):
            cell, column = found[1][1:-1].strip(), self.names[int(found[2]) - 1]
            return CellError(
                f"{lines.place}, column {column}: expected a number, got {shortened(cell)!r}"
                f"{self._cure(cell)}"
            )
        if found := re.search(r"requires (\d+) columns but (\d+) were found", text):
            return ValueError(
                f"{lines.place}: expected {found[1]} cells, got {found[2]}; cells are separated by "
                f"{self.delimiter!r}: put cells that have one into quotes, or say delimiter"
            )
        return ValueError(text if str(self.path) in text else f"{lines.place}: {text}")

    def _cure(self, cell):
        if cell.lower() in MISSING:
            return "; fill in what is missing, or leave out the line"
        if self.decimal == "." and re.fullmatch(r"[+-]?\d+,\d+", cell):
            return "; for decimal commas say decimal=','"
        return "; if it is no input, name those that are with columns"


def find_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that all lines have equally often, or the most frequent of the first.

    Examples
    --------
    >>> from firstlight.datasets._table import find_delimiter
    >>> find_delimiter(['"height, mm";kind', "1,5;pear"])
    ';'
    """
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    for mark in DELIMITERS:
        counts = {line.count(mark) for line in bare}
        if len(counts) == 1 and counts != {0}:
            return mark
    return max(DELIMITERS, key=bare[0].count) if set(DELIMITERS) & set(bare[0]) else ","


def has_header(rows: Sequence[Sequence[str]], decimal: str, place: str) -> bool:
    """Return whether the first row has the columns' names.

    True if none of its cells is a number, or if a word is above a column of numbers. If its words
    are above words and do not occur below, the row is ambiguous, which raises a ValueError.

    Parameters
    ----------
    rows : list of list of str
    decimal : str
    place : str
        Begins the message.
    """
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numeric = [is_number(cell, decimal) for cell in first]
    if not any(numeric):
        return True
    for column, cell in enumerate(first):
        numbers = sum(is_number(row[column], decimal) for row in below)
        if not numeric[column] and 2 * numbers > len(below) > 0:
            return cell.lower() not in MISSING
    words = [column for column, number in enumerate(numeric) if not number]
    found = {column: {row[column] for row in below} for column in words}
    alone = all(first[column] not in names for column, names in found.items())
    if words and alone and any(len(names) < len(below) for names in found.values()):
        raise ValueError(
            f"{place}: {', '.join(first)} may be the columns' names or a sample; say header=true "
            "or header=false"
        )
    return False


def _check_names(names, place):
    """Raise a ValueError unless each column has a name of its own."""
    for column, name in enumerate(names):
        if not name:
            raise ValueError(
                f"{place}: column {column} has no name; if it is an index, write the file without "
                "it (pandas: index=False), or say header=false if this line is a sample"
            )
        if names.index(name) != column:
            raise ValueError(
                f"{place}: two columns are called {name!r}; give each a name of its own, or say "
                "header=false if this line is a sample"
            )
