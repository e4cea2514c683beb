"""Comparison of several runs: groups of one experiment, differing settings, and ranking."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstlight.runs import RunFolder
from firstlight.runs.baseline_results import NETWORK
from firstlight.runs.compare import short_labels
from firstlight.runs.directions import direction
from firstlight.runs.experiments import grouped, settings
from firstlight.tools._amounts import bracketed
from firstlight.tools.figures import overlay
from firstlight.tools.figures.learning_curves import along_epochs
from firstlight.tools.language import say
from firstlight.tools.significance import Group, Significance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 5  # differing settings that have room beside the results
VERDICTS = 5  # sentences, at most
DECADES = 30  # largest over smallest loss, from which on a scale is logarithmic


@dataclass
class Spread:
    """A metric over several runs.

    Attributes
    ----------
    mean, std : float
        ``std`` is the sample's (n - 1), NaN of a single run.
    count : int
    """

    mean: float
    std: float
    count: int

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.mean:.4g}"
        digits = 4 if self.std == 0 else min(max(1 - math.floor(math.log10(self.std)), 0), 8)
        return f"{self.mean:.{digits}f} ± {self.std:.{digits}f}"


def differing(runs: Sequence[RunFolder]) -> dict[str, list[Any]]:
    """Return ``{setting: [value of each run]}`` of those settings that differ."""
    every = [settings(run) for run in runs]
    names = dict.fromkeys(name for found in every for name in found)
    rows = {name: [found.get(name) for found in every] for name in names}
    return {n: v for n, v in rows.items() if any(value != v[0] for value in v)}


def spread(runs: Sequence[RunFolder], name: str, which: str = "best") -> Spread | None:
    """Return the `Spread` of a metric over those runs that have it, or None."""
    values = []
    for run in runs:
        try:
            values.append(run.value(name, which))
        except KeyError:
            continue
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return None
    std = statistics.stdev(values) if len(values) > 1 else math.nan
    return Spread(statistics.fmean(values), std, len(values))


def ranked(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return runs, the best first: by validation loss, or else by the first ``val_...`` metric.

    Those that have none come last. A metric whose name has no known direction is not used.
    """

    def finite(run, name):
        return name in run.best and math.isfinite(run.best[name]["value"])

    names = dict.fromkeys(["val_loss", *(name for run in runs for name in run.best)])
    for name in names:
        if direction(name) and any(finite(run, name) for run in runs):
            sign = -1 if direction(name) == "max" else 1
            values = {r.path: sign * r.best[name]["value"] for r in runs if finite(r, name)}
            return sorted(runs, key=lambda run: values.get(run.path, math.inf))
    return list(runs)


def compare(runs: Sequence[RunFolder]) -> dict[str, Any]:
    """Return the content of a report on several runs.

    Returns
    -------
    dict
        "runs" and "groups" of those that differ in the seed only, the best first, each with its
        "label", "runs", "seeds", mean "time", the "spreads" of the "metrics" and the "intervals" of
        those of a test; the "baselines"; the "differing" settings, with one value for each group,
        and whether they have room "beside" the results; whether there are several "seeds"; the
        "verdicts" of the first group against the others; and "figures".
    """
    runs = ranked(runs)
    apart = {name for run in runs if run.baselines for name in run.baselines.methods}  # are rows
    names = list(dict.fromkeys(name for run in runs for name in [*run.metrics, *run.best]))
    metrics = [n for n in names if n.startswith(("test_", "val_")) and n not in apart]
    one_name = len({run.name for run in runs}) == 1
    groups = [
        {
            "label": group[0].id[-4:] if one_name else f"{group[0].name}/{group[0].id[-4:]}",
            "runs": group,
            "seeds": sorted({str(run.config.get("seed")) for run in group}),
            "spreads": [spread(group, name) for name in metrics],
            "time": sum(run.place["time"] for run in group) / len(group),
        }
        for group in grouped(runs)
    ]
    evidence = Significance([Group(group["label"], group["runs"]) for group in groups])
    for group in groups:
        found = [
            value and evidence.interval(name, group["runs"])
            for name, value in zip(metrics, group["spreads"], strict=True)
        ]
        group["intervals"] = ["" if one is None else bracketed(one) for one in found]
    rows = differing([group["runs"][0] for group in groups])
    seeds = {tuple(group["seeds"]) for group in groups}
    logged = [name for name in metrics if any(name in run.history for run in runs)]
    return {
        "runs": runs,
        "groups": groups,
        "metrics": metrics,
        "baselines": _baselines(runs, metrics),
        "differing": rows,
        "beside": len(rows) <= COLUMNS,
        "seeds": len(seeds) > 1 or any(len(group) > 1 for group in seeds),
        "verdicts": [one.sentence() for one in evidence.verdicts(metrics)][:VERDICTS],
        "figures": {name: together(runs, name) for name in logged},
    }


def _baselines(runs, metrics):
    """Return a row for each baseline; none if those of the runs are of different data."""
    found = [run.baselines for run in runs if run.baselines]
    if len({(one.data, one.split, one.metric, one.samples) for one in found}) != 1:
        return []
    rows = {row.name: row for one in reversed(found) for row in one.rows if row.name != NETWORK}
    column = f"{found[0].split}_{found[0].metric}"
    return [
        {
            "label": say(row.label),
            "values": [row.value if name == column else None for name in metrics],
            "interval": bracketed((row.low, row.high)),
            "time": f"{row.seconds:.1f} s",
        }
        for row in sorted(rows.values(), key=lambda row: -row.value)
    ]


def together(runs: Sequence[RunFolder], name: str) -> "Figure":
    """Return a figure of one metric of all runs that logged it, along the epochs."""
    lines = {
        label: along_epochs(run.history, name)
        for run, label in zip(runs, short_labels(runs), strict=True)
        if name in run.history
    }
    values = [value for _, y in lines.values() for value in y if math.isfinite(value)]
    log = name.endswith("loss") and min(values, default=0) > 0
    return overlay({name: lines}, x_label="epoch", log=log and max(values) > DECADES * min(values))
