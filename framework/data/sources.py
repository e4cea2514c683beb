"""Sources: what ``--data`` and `firstlight.datasets.load` take for a data set and its file."""

from pathlib import Path

READERS = {  # data sets of files, by ending
    ".csv": "csv",
    ".npz": "npz",
    ".npy": "npz",
    ".parquet": "parquet",
    ".txt": "text",
}
PREFIXES = (
    "csv",
    "hf",
    "images",
    "npz",
    "parquet",
    "series",
    "text",
)  # their path may follow: csv:FILE


def find_source(name: str) -> tuple[str, str | None]:
    """Return the data set's name, and the path for it; None if the name is not a source.

    Parameters
    ----------
    name : str
        A file whose ending is in `READERS`, or one of `PREFIXES`, a colon and a path; anything
        else is a registered name or ``package.module:function``.

    Examples
    --------
    >>> from firstlight.data.sources import find_source
    >>> find_source("a/table.csv"), find_source("csv:table.dat"), find_source("digits")
    (('csv', 'a/table.csv'), ('csv', 'table.dat'), ('digits', None))
    """
    head, colon, path = name.partition(":")
    if colon and path and head in PREFIXES:
        return head, path
    ending = Path(name).suffix.lower()
    return (READERS[ending], name) if ending in READERS else (name, None)
