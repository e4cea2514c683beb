"""Make text from files and users safe for terminals, messages and spreadsheets.

An escape sequence in a name can hide or rewrite lines of a terminal. A spreadsheet reads a cell
that begins with ``=`` as a formula, which may send data elsewhere.
"""

import csv
import io
import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t")  # first characters of a formula


def printable(text: str) -> str:
    r"""Replace the unprintable characters of a text, such as escape sequences.

    Examples
    --------
    >>> from firstlight.support.printable import printable
    >>> printable("one\n\x1b[2Jtwo")
    'one\n�[2Jtwo'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def one_line(text: str) -> str:
    """Return text as `printable` does, on one line."""
    return text if text.isprintable() else " ".join(printable(text).split())


def tell(text: str) -> None:
    """Print text and flush; a closed or full output causes a warning instead of an exception.

    ``sys.stdout`` may be any object with a ``write``. Characters that it cannot encode become "?".
    """
    stream = sys.stdout
    try:
        try:
            print(text)
        except UnicodeEncodeError as error:
            print(text.encode(error.encoding, "replace").decode(error.encoding))
        if hasattr(stream, "flush"):
            stream.flush()
    except (OSError, ValueError) as error:  # a closed file raises a ValueError
        discard_pending(stream)
        warnings.warn(
            f"standard output cannot be written ({error}); the training continues without it",
            stacklevel=2,
        )


def discard_pending(stream: Any) -> None:
    """Empty the buffer of a stream that cannot be written.

    Otherwise Python tries again when it ends, and ends with exit code 120.
    """
    try:
        target = stream.fileno()
        kept, nowhere = os.dup(target), os.open(os.devnull, os.O_WRONLY)
    except (AttributeError, OSError, ValueError):  # None, a replacement; a closed file
        return
    try:
        os.dup2(nowhere, target)
        stream.flush()
    finally:
        os.dup2(kept, target)
        os.close(kept)
        os.close(nowhere)


def is_terminal(stream: Any) -> bool:
    """Return whether a stream, or a replacement of one, is a terminal."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # None, a Tee; a closed file
        return False


def shown(value: Any) -> str:
    """Return the representation of a value, cut off after 60 characters."""
    return cut_off(repr(value))


def cut_off(text: str) -> str:
    """Return a text, cut off after 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."


def as_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Return dicts as the text of a CSV file; missing values stay empty."""
    rows, text = list(rows), io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(text)
    writer.writerow(map(csv_cell, names))
    writer.writerows([csv_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def csv_cell(value: Any) -> Any:
    """Return a value for a CSV file; a text that looks like a formula is prefixed with ``'``.

    Examples
    --------
    >>> from firstlight.support.printable import csv_cell
    >>> csv_cell("=HYPERLINK(...)"), csv_cell("-0.5"), csv_cell(-0.5), csv_cell("a=b")
    ("'=HYPERLINK(...)", '-0.5', -0.5, 'a=b')
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # csv would not quote it
    if not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
