"""RunList: the runs of a folder, as a list and as a table."""

from collections.abc import Iterable

from firstlight.runs.folder import RunFolder
from firstlight.runs.query import lookup
from firstlight.support.html import table

SHOWN = ("best.val_loss", "best.val_acc", "test_acc")  # where any run has them


class RunList(list[RunFolder]):
    """A list of runs that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        names = usual_columns(self)
        rows = [("run", "status", "tags", "epochs", *names, "seconds")]
        for run in self:
            place, values = run.place, [lookup(run, name) for name in names]
            numbers = ["" if value is None else f"{value:.4g}" for value in values]
            tags, seconds = " ".join(run.tags), f"{place['time']:.1f}"
            rows.append((run.label, run.status, tags, place["epoch"], *numbers, seconds))
        return table(rows, left=3)


def usual_columns(runs: Iterable[RunFolder]) -> list[str]:
    """Return the names of the results that some of the runs have."""
    return [name for name in SHOWN if any(lookup(run, name) is not None for run in runs)]
