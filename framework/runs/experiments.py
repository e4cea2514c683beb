"""Experiments: which runs differ in the seed only."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from firstlight.runs.folder import RunFolder
from firstlight.runs.query import flat

ASIDE = (
    "seed",
    "name",
    "runs_dir",
    "trainer.metrics",
)  # settings that do not change the experiment
WATCHING = (
    *("tensorboard", "plots", "progress_bar", "throughput", "timer", "layer_monitor"),
    *("profiler", "sample_results", "metrics"),
)


def settings(run: RunFolder) -> dict[str, Any]:
    """Return the settings that make a run's experiment, by flat name: all but the seed.

    Callbacks that only watch are left out too, and so are facts that follow from the data, and a
    seed in a script's own settings (``trainer.config = args``).
    """
    return {
        name: value
        for name, value in flat(run.config).items()
        if name.removeprefix("config.") not in ASIDE
        and not name.startswith("facts.")
        and name.split(".")[:2] not in [["callbacks", watcher] for watcher in WATCHING]
    }


def same_experiment(run: RunFolder, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return the finished runs that differ from one in the seed only; the newest of each seed."""
    mine = settings(run)
    found = {
        other.config.get("seed"): other
        for other in runs
        if other.status == "finished" and settings(other) == mine
    }
    if run.status == "finished":
        found[run.config.get("seed")] = run
    return list(found.values())


def grouped(runs: Sequence[RunFolder]) -> list[list[RunFolder]]:
    """Return lists of runs of one experiment each, in the order of the runs.

    Runs with the same settings and the same seed differ in something else, such as the code of a
    script: the second of a seed begins a list of its own, which the second of other seeds join.
    """
    groups: dict[tuple[str, int], list[RunFolder]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for run in runs:
        mine = repr(sorted(settings(run).items(), key=repr))
        seed = run.config.get("seed")
        groups.setdefault((mine, seen[mine, str(seed)]), []).append(run)
        if seed is not None:
            seen[mine, str(seed)] += 1
    return list(groups.values())
