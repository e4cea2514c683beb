"""Header: what the first lines of a table tell of its cells and its columns' names."""

import re

MARKS = ";\t,|"  # that may separate cells; of two that fit, the first: commas may be decimal
MISSING = {"", "-", "?", "na", "n/a", "nan", "null", "none"}


def separator(lines):
    """Return the mark that all lines have equally often, or that the first has most of.

    Examples
    --------
    >>> from firstlight.datasets.header import separator
    >>> separator(['"height, mm";kind', "1,5;pear"])
    ';'
    """
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    for mark in MARKS:
        counts = {line.count(mark) for line in bare}
        if len(counts) == 1 and counts != {0}:
            return mark
    return max(MARKS, key=bare[0].count) if any(mark in bare[0] for mark in MARKS) else ","


def has_header(rows, decimal, place):
    """Tell whether the first row has the columns' names, from how it differs from those below.

    It has if none of its cells is a number, or one is no number that stands over numbers. If only
    columns of words can tell, and its words are found nowhere below, either may be.

    Parameters
    ----------
    rows : list of list of str
    decimal : str
    place : str
        Begins the message.

    Raises
    ------
    ValueError
        Either may be.
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


def check_names(names, place):
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


def as_number(cell, decimal="."):
    """Return the number in a cell, or raise a ValueError if there is none."""
    plain = cell.strip()
    if decimal == ",":
        plain = plain.replace(".", "_").replace(",", ".")  # 1.000,5 is none
    if "_" in plain or not plain.isascii():  # Python takes 1_000
        raise ValueError(f"no number: {cell!r}")
    return float(plain)


def is_number(cell, decimal="."):
    """Return whether a cell has a number.

    Examples
    --------
    >>> from firstlight.datasets.header import is_number
    >>> [is_number(cell) for cell in ("1e-3", "-2", "1_000", "1,5", "x", "")]
    [True, True, False, False, False, False]
    """
    try:
        as_number(cell, decimal)
    except ValueError:
        return False
    return True
