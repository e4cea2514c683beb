"""Read the records in a run's ``metrics.jsonl``."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from firstlight.runs.history import History
from firstlight.support.files import PathLike, write_atomically
from firstlight.support.printable import as_csv

FILE = "metrics.jsonl"
NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
NUMBERS = frozenset((int, float, bool))
CHUNK = 1000  # lines parsed at once
LONGEST = 2**20  # bytes of a line


def read_records(path: PathLike, *, only: str = "", last: int = 0) -> list[dict[str, float]]:
    """Return the records of a run folder as a list; see `iterate`.

    Parameters
    ----------
    path : path-like
    only : str
        Skip lines without this text, except the ``last`` ones; much faster than parsing all lines.
    last : int

    Raises
    ------
    ValueError
        A line is not a record.
    """
    if not only:
        return list(iterate(path))
    content = (Path(path) / FILE).read_bytes()
    numbered = ((None, line) for line in _lines_with(content, only.encode(), last))
    return list(_parsed(numbered, path))


def iterate(path: PathLike, damaged: list[int] | None = None) -> Iterator[dict[str, float]]:
    """Yield the records of a run folder; a torn last line of a killed process is skipped.

    NaN and infinities are texts in the file and become floats.

    Parameters
    ----------
    path : path-like
    damaged : list, optional
        Collects the numbers of invalid lines, which are then skipped.

    Raises
    ------
    ValueError
        A line is not a record, and ``damaged`` is None.
    """
    with open(Path(path) / FILE, "rb") as file:
        lines = iter(lambda: file.readline(LONGEST), b"")
        yield from _parsed(enumerate(lines, 1), path, damaged)


def _parsed(numbered, path, damaged=None):
    for chunk in iter(lambda: list(islice(numbered, CHUNK)), []):
        lines = [line for _, line in chunk]
        try:  # one call for all lines takes half the time
            records = json.loads(b"[%s]" % b",".join(lines))
            sound = len(records) == len(lines) and all(map(_is_sound, records))
        except (ValueError, RecursionError):
            sound = False
        if sound:
            yield from records
            continue
        for number, line in chunk:
            try:
                yield _record(line)
            except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    continue
                if damaged is not None:
                    damaged.append(number)
                    continue
                raise ValueError(
                    f"{path}/{FILE} is damaged: expected a record, got {line[:60]!r}"
                    + (f" in line {number}" if number else "")
                ) from error


def _record(line):
    record = {name: NOT_FINITE.get(value, value) for name, value in json.loads(line).items()}
    if not _is_sound(record):
        raise TypeError
    return record


def _is_sound(record):
    """Return whether a value is a record: a flat dict of numbers with step and epoch."""
    return (
        type(record) is dict
        and "step" in record
        and "epoch" in record
        and NUMBERS.issuperset(map(type, record.values()))
    )


def write_table(path: PathLike) -> None:
    """Write the records of a run folder to ``metrics.csv``, without damaged ones."""
    write_atomically(Path(path) / "metrics.csv", as_csv(list(iterate(path, damaged=[]))))


def best_values(history: History) -> dict[str, dict[str, float]]:
    """Return the best value of each ``val_`` name of known direction, with its step and epoch."""
    names = [name for name in history if name.startswith("val_") and history.direction(name)]
    found = {name: history.best(name) for name in names}
    return {
        name: {"value": record[name], "step": record["step"], "epoch": record["epoch"]}
        for name, record in found.items()
    }


def _lines_with(content, text, last):
    """Return the lines that contain a text, and the last few; other lines are not split."""
    start = len(content)
    for _ in range(last + 1):
        start = content.rfind(b"\n", 0, start)
        if start < 0:
            break
    start, lines, end = start + 1, [], 0
    while (found := content.find(text, end, start)) >= 0:
        end = content.find(b"\n", found) + 1
        lines.append(content[content.rfind(b"\n", 0, found) + 1 : end])
    return lines + content[start:].splitlines(True)
