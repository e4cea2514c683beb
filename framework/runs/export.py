"""Export: records or results of runs as one table, for other programs."""

import csv
import io
from pathlib import Path

from firstlight.runs.query import flat
from firstlight.support.extras import require
from firstlight.support.files import replacing, write_atomically
from firstlight.support.printable import csv_cell

KINDS = (".csv", ".parquet")


def records_table(runs):
    """Return all records of runs as a list of dicts, each with the run's name/id as "run"."""
    return [{"run": run.label, **record} for run in runs for record in run.history.records]


def results_table(runs):
    """Return a dict for each run: how it stands, its settings, its last and best values."""
    rows = []
    for run in runs:
        place, settings = run.place, flat(run.config)
        rows.append(
            {
                "run": run.label,
                "status": run.status,
                "started": run.summary.get("started"),
                "duration_s": place["time"],
                "epochs": place["epoch"],
                "steps": place["step"],
                "tags": " ".join(run.tags),
                "note": run.note,
                **{n: _plain(v) for n, v in settings.items() if n not in ("name", "runs_dir")},
                **run.metrics,
                **{f"best.{name}": best["value"] for name, best in run.best.items()},
            }
        )
    return rows


def as_csv(rows):
    """Return dicts as the text of a CSV file; what a row lacks stays empty.

    A text that a spreadsheet took for a formula has a ``'`` before it.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(text)
    writer.writerow(map(csv_cell, names))
    writer.writerows([csv_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def check(path):
    """Check that `write` can write such a file, before anything is read for it.

    Raises
    ------
    ValueError
        It ends neither in .csv nor in .parquet.
    MissingPackageError
        Parquet needs pyarrow, which is not installed.
    """
    kind = Path(path).suffix
    if kind not in KINDS:
        raise ValueError(f"expected a file that ends in {' or '.join(KINDS)}, got {str(path)!r}")
    if kind == ".parquet":
        require("a Parquet file", "pyarrow", extra="parquet")


def write(rows, path):
    """Write dicts to a .csv or .parquet file, whole or not at all; see `check`."""
    check(path)
    if Path(path).suffix == ".csv":
        write_atomically(path, as_csv(rows))
        return
    import pyarrow
    import pyarrow.parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _one_type([row.get(name) for row in rows]) for name in names}
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(columns), temporary)


def _plain(value):
    """Return a setting as a cell: lists as ``512,256``."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _one_type(values):
    """Return a column whose values have one type: as they are, as floats, or else as texts."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {dict}:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
