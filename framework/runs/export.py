"""Export records or results of runs as one table, for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firstlight.runs.find import list_runs
from firstlight.runs.folder import RunFolder
from firstlight.runs.query import flat
from firstlight.support.extras import require
from firstlight.support.files import PathLike, replacing, write_atomically
from firstlight.support.frames import columns, frame
from firstlight.support.printable import as_csv

KINDS = (".csv", ".parquet")


def records_table(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Return all records of runs as a list of dicts, each with the run's name/id as "run"."""
    return [{"run": run.label, **record} for run in runs for record in run.history.records]


def results_table(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Return a dict for each run: its status, settings, last and best values, and resources."""
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
                **run.resources,
            }
        )
    return rows


def to_frame(runs_dir: PathLike = "runs", where: str | None = None, sort: str | None = None) -> Any:
    """Return all runs below a folder as a data frame of pandas or polars, a row for each run.

    The columns are status, settings (``model.lr``), last values (``test_acc``), best values
    (``best.val_loss``) and the resources used. It is a polars frame if the program has imported
    polars and not pandas, or if only polars is installed.

    Parameters
    ----------
    runs_dir, where, sort
        As in `firstlight.runs.find.list_runs`.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame

    Raises
    ------
    MissingPackageError
        Neither library is installed.
    ValueError
        ``where`` or ``sort`` is invalid.
    """
    return frame(results_table(list_runs(runs_dir, where, sort)), "runs.to_frame")


def check(path: PathLike) -> None:
    """Check that `write` supports a file, before the runs are read.

    Raises
    ------
    ValueError
        The name ends neither in .csv nor in .parquet.
    MissingPackageError
        Parquet needs pyarrow, which is not installed.
    """
    kind = Path(path).suffix
    if kind not in KINDS:
        raise ValueError(f"expected a file that ends in {' or '.join(KINDS)}, got {str(path)!r}")
    if kind == ".parquet":
        require("a Parquet file", "pyarrow", extra="parquet")


def write(rows: Sequence[dict[str, Any]], path: PathLike) -> None:
    """Write dicts to a .csv or .parquet file, atomically; see `check`."""
    check(path)
    if Path(path).suffix == ".csv":
        write_atomically(path, as_csv(rows))
        return
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(columns(rows))
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def _plain(value):
    """Return a setting as a cell: lists as ``512,256``."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
