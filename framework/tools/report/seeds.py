"""Runs that differ in nothing but the seed, and what they reached together."""

import math
import statistics
from dataclasses import dataclass

from firstlight.runs.query import flat

ASIDE = ("seed", "name", "runs_dir")  # settings that make no other experiment
WATCHING = ("tensorboard", "plots", "progress_bar", "throughput", "timer", "layer_monitor")


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

    def __str__(self):
        if self.count == 1:
            return f"{self.mean:.4g}"
        digits = 4 if self.std == 0 else min(max(1 - math.floor(math.log10(self.std)), 0), 8)
        return f"{self.mean:.{digits}f} ± {self.std:.{digits}f}"


def settings(run):
    """Return what makes a run's experiment: its settings by flat name, all but the seed.

    What only watches is left out too, and so are facts that follow from the data.
    """
    return {
        name: value
        for name, value in flat(run.config).items()
        if name not in ASIDE
        and not name.startswith("facts.")
        and name.split(".")[:2] not in [["callbacks", watcher] for watcher in WATCHING]
    }


def same_experiment(run, runs):
    """Return those of the runs that are finished and differ from one in the seed only.

    Of two with the same seed the newer counts.
    """
    mine, found = settings(run), {}
    for other in runs:
        if other.status == "finished" and settings(other) == mine:
            found[other.config.get("seed")] = other
    if run.status == "finished":
        found[run.config.get("seed")] = run
    return list(found.values())


def grouped(runs):
    """Return lists of runs of one experiment each, in the order in which they come."""
    groups = {}
    for run in runs:
        groups.setdefault(repr(sorted(settings(run).items(), key=repr)), []).append(run)
    return list(groups.values())


def differing(runs):
    """Return ``{setting: [value of each run]}`` of those settings that are not all the same."""
    every = [settings(run) for run in runs]
    names = dict.fromkeys(name for found in every for name in found)
    rows = {name: [found.get(name) for found in every] for name in names}
    return {n: v for n, v in rows.items() if any(value != v[0] for value in v)}


def spread(runs, name, which="best"):
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
