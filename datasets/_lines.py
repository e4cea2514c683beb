"""Lines of a text file, and the numbers in their cells."""

import codecs
from collections.abc import Iterator
from pathlib import Path

MISSING = {"", "-", "?", "na", "n/a", "nan", "nat", "null", "none"}
BLANK = ' \t\r\n",;|'  # the only characters of lines without content


class CellError(ValueError):
    """A cell is not what its column holds.

    Attributes
    ----------
    row : int or None
        Counts from 0; None if the message names the line.
    """

    row: int | None

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class Lines:
    """The lines of a text file that have content; ``number`` is that of the latest.

    Parameters
    ----------
    path : pathlib.Path
    encoding : str

    Raises
    ------
    ValueError
        No such encoding; a line that is not text in it, or that ends within quotes.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.number, self.named = path, 0, encoding
        self.encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(f"{path}: there is no encoding {encoding!r}; e.g. latin-1") from None

    def __iter__(self) -> Iterator[str]:
        with open(self.path, encoding=self.encoding, errors="surrogateescape") as file:
            try:
                for self.number, line in enumerate(file, 1):
                    if not line.isascii() or "\0" in line:
                        self._check_text(line)
                    if '"' in line and line.count('"') % 2:
                        raise ValueError(
                            f"{self.place}: a quote is opened and not closed in {shortened(line)}; "
                            'write "" for a quote that is meant, and no line breaks inside cells'
                        )
                    if line.strip(BLANK):
                        yield line
            except UnicodeError as error:
                raise ValueError(f"{self.path}: not text in {self.named} ({error})") from error

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.number}"

    def _check_text(self, line):
        bad = next((c for c in line if "\udc80" <= c <= "\udcff" or c == "\0"), None)
        if bad is not None:
            raise ValueError(
                f"{self.place}: byte 0x{ord(bad) & 0xFF:02x} is not text in {self.named}; save "
                "the file as UTF-8, or say how it is encoded, e.g. encoding=latin-1 or utf-16"
            )


def as_number(cell: str, decimal: str = ".") -> float:
    """Return the number in a cell, or raise a ValueError if there is none."""
    plain = cell.strip()
    if decimal == ",":
        plain = plain.replace(".", "_").replace(",", ".")  # 1.000,5 is not accepted
    if "_" in plain or not plain.isascii():  # Python accepts 1_000
        raise ValueError(f"no number: {cell!r}")
    return float(plain)


def is_number(cell: str, decimal: str = ".") -> bool:
    """Return whether a cell has a number.

    Examples
    --------
    >>> from firstlight.datasets._lines import is_number
    >>> [is_number(cell) for cell in ("1e-3", "-2", "1_000", "1,5", "x", "")]
    [True, True, False, False, False, False]
    """
    try:
        as_number(cell, decimal)
    except ValueError:
        return False
    return True


def shortened(text):
    """Return a text, cut off after 40 characters."""
    text = text.strip()
    return text if len(text) <= 40 else text[:40] + "..."
