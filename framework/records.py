"""Records: the lines of a run's ``metrics.jsonl``, read again."""

import json
from pathlib import Path

NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def read_records(path, *, only="", last=0):
    """Return the records of a run folder; a torn last line, of a killed process, is left out.

    Values that are no numbers (NaN, infinities) stand as texts in the file, and are floats here.

    Parameters
    ----------
    path : path-like
    only : str
        Leave out lines without this text, but for the ``last`` ones: much faster than reading all.
    last : int

    Raises
    ------
    ValueError
        A line that is no record.
    """
    content = (Path(path) / "metrics.jsonl").read_bytes()
    lines = _lines_with(content, only.encode(), last) if only else content.splitlines(True)
    records = []
    for line in lines:
        try:
            record = json.loads(line)
            records.append({n: float(v) if v in NOT_FINITE else v for n, v in record.items()})
        except (ValueError, AttributeError, TypeError) as error:
            if line.endswith(b"\n"):
                raise ValueError(
                    f"{path}/metrics.jsonl is damaged: expected a record, got {line[:60]!r}"
                ) from error
    return records


def best_values(history):
    """Return the best value, and its place, of each ``val_`` name whose direction is known."""
    names = [name for name in history if name.startswith("val_") and history.direction(name)]
    found = {name: history.best(name) for name in names}
    return {
        name: {"value": record[name], "step": record["step"], "epoch": record["epoch"]}
        for name, record in found.items()
    }


def _lines_with(content, text, last):
    """Return the lines that have a text in them, and the last few, without looking at the rest."""
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
