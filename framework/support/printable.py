"""Text that files and users bring along, made safe for terminals, messages and spreadsheets.

A name with an escape sequence can hide a line of a terminal or rewrite another; a cell that begins
with ``=`` is a formula to a spreadsheet, which may fetch and send.
"""

import sys
import warnings

FORMULA = ("=", "+", "-", "@", "\t")  # what spreadsheets take for the beginning of one


def printable(text):
    r"""Return text without characters that would confuse a terminal, such as escape sequences.

    Examples
    --------
    >>> from firstlight.support.printable import printable
    >>> printable("one\n\x1b[2Jtwo")
    'one\n�[2Jtwo'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def one_line(text):
    """Return text as `printable` does, on one line."""
    return text if text.isprintable() else " ".join(printable(text).split())


def tell(text):
    """Print text at once; an output that is closed, full or gone is a warning, no exception.

    Anything with a ``write`` may stand for ``sys.stdout``; what it cannot encode is a "?".
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
        warnings.warn(
            f"standard output cannot be written ({error}); the training goes on without it",
            stacklevel=2,
        )


def is_terminal(stream):
    """Return whether a stream, or what stands for one, is a terminal."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # None, a Tee; a closed file
        return False


def shown(value):
    """Return a value as messages show it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def csv_cell(value):
    """Return a value for a CSV file: a text that spreadsheets took for a formula gets a ``'``.

    Examples
    --------
    >>> from firstlight.support.printable import csv_cell
    >>> csv_cell("=HYPERLINK(...)"), csv_cell("-0.5"), csv_cell(-0.5), csv_cell("a=b")
    ("'=HYPERLINK(...)", '-0.5', -0.5, 'a=b')
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # which csv would not put in quotes
    if not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
