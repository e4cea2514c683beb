"""Table: a .csv file as numbers and words, read by NumPy's parser.

`numpy.loadtxt` splits lines into cells and makes numbers of them, in C, from lines that are checked
one by one; so a message can name the line. Which columns there are, the header tells.
"""

import re
from itertools import islice

import numpy as np

from firstlight.datasets.header import MISSING, as_number, check_names, has_header, separator
from firstlight.datasets.lines import Lines, short

LOOKED_AT = 100  # lines from which marks and header are told


class Table:
    """A .csv file whose columns are known, and whose cells can be read.

    Parameters
    ----------
    path : pathlib.Path
    header : bool or None
        Whether the first line has the columns' names; None tells it from the lines.
    delimiter : str or None
        None tells it from the lines.
    decimal : {".", ","}
    encoding : str
    known : list of str, optional
        Names that the header has, if it has some.

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
        It is empty, or its first lines may be read in two ways.
    """

    def __init__(self, path, header, delimiter, decimal, encoding, known=()):
        if not path.is_file():
            raise FileNotFoundError(f"csv: there is no file {path}")
        if decimal not in (".", ","):
            raise ValueError(f"csv: expected decimal . or , got {decimal!r}")
        if delimiter is not None and len(delimiter) != 1:
            raise ValueError(f"csv: expected one character as delimiter, got {delimiter!r}")
        self.path, self.decimal, self.encoding = path, decimal, encoding
        first = list(islice(Lines(path, encoding), LOOKED_AT))
        if not first:
            raise ValueError(f"{path} is empty: expected a line for each sample")
        self.delimiter = delimiter or separator(first)
        rows = [self._cells(line) for line in first]
        place = f"{path}, line 1"
        if header is None:
            header = bool(known) and set(known) <= set(rows[0])
            header = header or has_header(rows, decimal, place)
        self.header = header
        self.names = rows[0] if header else [str(i) for i in range(len(rows[0]))]
        check_names(self.names, place)
        if header and len(rows) == 1:
            raise ValueError(f"{path} is empty: it has a header, and no line for a sample")

    def read(self, numbers, words=()):
        """Return columns of numbers as one array, and columns of words as lists.

        Parameters
        ----------
        numbers : list of int
            Places of the columns, in the wanted order.
        words : list of int

        Returns
        -------
        x : array of float64, shape (N, len(numbers))
        texts : list of list of str

        Raises
        ------
        ValueError
            A line of another length, or a cell that is no number; with its line.
        """
        lines = Lines(self.path, self.encoding)
        source = islice(lines, int(self.header), None)
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
        self._check_finite(x, numbers)
        return x, [[cell.strip() for cell in table[str(column)]] for column in words]

    def place(self, row, column):
        """Return file, line and column of a cell, for messages; rows count from 0."""
        lines = Lines(self.path, self.encoding)
        for _ in islice(lines, row + 1 + self.header):
            pass
        return f"{lines.place}, column {self.names[column]}"

    @property
    def _style(self):
        return {"delimiter": self.delimiter, "quotechar": '"', "comments": None, "encoding": None}

    def _cells(self, line):
        cells = np.loadtxt([line], "O", ndmin=1, **self._style)
        return [cell.strip() for cell in cells.tolist()]

    def _fields(self, numbers):
        """Return where neighbouring columns of numbers begin, and how many; words have 0."""
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

    def _check_finite(self, x, numbers):
        for column, values in zip(numbers, x.T, strict=True):
            good = np.isfinite(values)
            if not good.all():
                row = int(good.argmin())
                raise ValueError(
                    f"{self.place(row, column)}: expected a number, got '{values[row]}'; fill in "
                    "what is missing, or leave out the line"
                )

    def _explained(self, error, lines):
        """Return a parser's error with file, line, column and cure."""
        text = str(error)
        if found := re.search(r"string (['\"].*) to float64 at row \d+, column (\d+)", text, re.S):
            cell, column = found[1][1:-1].strip(), self.names[int(found[2]) - 1]
            return ValueError(
                f"{lines.place}, column {column}: expected a number, got {short(cell)!r}"
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
