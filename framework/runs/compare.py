"""Compare runs: the settings, machine and code in which they differ, and their results."""

import difflib
import subprocess
from collections.abc import Sequence
from typing import Any

from firstlight.runs.directions import direction
from firstlight.runs.folder import RunFolder
from firstlight.runs.query import flat
from firstlight.runs.run import PATCH

WHICH = ("best", "min", "max", "last")
NOT_COMPARED = ("name", "runs_dir", "facts")  # the run's place, and facts about its data
ALSO_IN_SETTINGS = ("command", "cwd", "seed")  # entries of the environment


def settings(run: RunFolder) -> dict[str, Any]:
    """Return the flat settings of a run, without its place and facts about its data."""
    return flat({n: v for n, v in run.config.items() if n not in NOT_COMPARED})


def differences(runs: Sequence[RunFolder], everything: bool = False) -> dict[str, list[Any]]:
    """Return the settings in which runs differ, ``{name: [value of each run]}``.

    Parameters
    ----------
    runs : list of RunFolder
    everything : bool
        Include settings that are the same in all runs.

    Returns
    -------
    dict of str to list
        None if a run does not have the setting.
    """
    found = [settings(run) for run in runs]
    names = dict.fromkeys(name for one in found for name in one)
    values = {name: [one.get(name) for one in found] for name in names}
    return {n: v for n, v in values.items() if everything or any(one != v[0] for one in v)}


def results(
    runs: Sequence[RunFolder], which: str = "best", metrics: Sequence[str] | None = None
) -> dict[str, list[float | None]]:
    """Return the metrics of runs, ``{metric: [value of each run]}``; None if a run has none.

    Parameters
    ----------
    runs : list of RunFolder
    which : {"best", "min", "max", "last"}
        Value of a metric over the epochs to return.
    metrics : list of str, optional
        By default the losses and scores of training, validation and test.

    Raises
    ------
    ValueError
        ``which`` has another value.
    KeyError
        None of the runs has a metric.
    """
    if which not in WHICH:
        raise ValueError(f"which: expected one of {', '.join(WHICH)}, got {which!r}")
    known = dict.fromkeys(name for run in runs for name in run.metrics)
    for name in metrics or ():
        if name not in known:
            raise KeyError(f"no run has {name!r}; there are: {', '.join(known)}")
    usual = [n for n in known if n.startswith(("train_", "val_", "test_")) and n[-5:] != "_step"]
    return {
        name: [_value(run, name, which) if name in run.metrics else None for run in runs]
        for name in metrics or usual
    }


def _value(run, name, which):
    """Return one value of a metric; the last one if the direction of "best" is unknown."""
    known = which != "best" or name in run.best or direction(name)
    return run.value(name, which if known else "last")


def best_indices(name: str, values: Sequence[float | None], which: str = "best") -> list[int]:
    """Return the indices of the runs with the best value of a metric; several in a tie."""
    mode = direction(name) if which in ("best", "last") else which
    if mode is None:
        return []
    known = [v for v in values if v is not None and v == v]
    best = (max if mode == "max" else min)(known, default=None)
    return [index for index, value in enumerate(values) if known and value == best]


def short_names(runs: Sequence[RunFolder]) -> list[str]:
    """Return the end of each run's id, which commands accept as its name, if it is distinct.

    The run's name precedes it if the names differ.
    """
    one_name = len({run.name for run in runs}) == 1
    names = [run.id[-4:] if one_name else f"{run.name}/{run.id[-4:]}" for run in runs]
    return names if len(set(names)) == len(names) else [run.label for run in runs]


def short_labels(runs: Sequence[RunFolder], most: int = 3) -> list[str]:
    """Return a short, distinct label for each run.

    A label begins as `short_names` says. If at most ``most`` settings differ, they follow.
    """
    labels = short_names(runs)
    differing = differences(runs)
    if not 0 < len(differing) <= most:
        return labels
    texts = [
        " ".join(f"{name.rpartition('.')[2]}={_short(v[i])}" for name, v in differing.items())
        for i in range(len(runs))
    ]
    return [f"{label}  {text}" for label, text in zip(labels, texts, strict=True)]


def _short(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def changed(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return ``{name: (before, after)}`` for the differences of two flat dicts; None if missing."""
    names = dict.fromkeys([*one, *other])
    return {n: (one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)}


def settings_changed(one: RunFolder, other: RunFolder) -> dict[str, tuple[Any, Any]]:
    """Return the settings in which two `RunFolder` differ, as `changed` does."""
    return changed(settings(one), settings(other))


def environment_changed(one: RunFolder, other: RunFolder) -> dict[str, tuple[Any, Any]]:
    """Return differences in machine, packages and code version, as `changed` does."""
    kept = (
        {n: v for n, v in run.environment.items() if n not in ALSO_IN_SETTINGS}
        for run in (one, other)
    )
    return changed(*(flat(environment) for environment in kept))


def code_changed(one: RunFolder, other: RunFolder) -> list[str]:
    """Return the lines of a diff of the code of two runs.

    git compares the commits, if the working directory is in their repository. The uncommitted
    changes are read from the runs' ``diff.patch``.
    """
    commits = [(run.environment.get("git") or {}).get("commit") for run in (one, other)]
    lines = []
    if None not in commits and commits[0] != commits[1]:
        lines += _git_diff(*commits)
    patches = [_patch(run) for run in (one, other)]
    names = [f"{run.label}/{PATCH}" for run in (one, other)]
    lines += difflib.unified_diff(*patches, *names, lineterm="")
    return lines


def _patch(run):
    try:
        return (run.path / PATCH).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _git_diff(one, other):
    command = ["git", "diff", "--no-color", "--no-ext-diff", "--no-textconv", one, other, "--"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return [f"# the commits cannot be compared here; in their repository: {' '.join(command)}"]
    return done.stdout.splitlines()
