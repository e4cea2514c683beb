"""Compare runs: which settings differ, and what came of it."""

from firstlight.runs.directions import direction
from firstlight.runs.query import flat

WHICH = ("best", "min", "max", "last")
UNIMPORTANT = ("name", "runs_dir")  # where a run lies is not what makes it


def settings(run):
    """Return the flat settings of a run, but for where it lies and what its data tell."""
    there = {n: v for n, v in run.config.items() if n not in (*UNIMPORTANT, "facts")}
    return flat(there)


def differences(runs, everything=False):
    """Return the settings in which runs differ, ``{name: [value of each run]}``.

    Parameters
    ----------
    runs : list of RunFolder
    everything : bool
        Also those that are the same in all.

    Returns
    -------
    dict of str to list
        None stands for a setting that a run does not have.
    """
    found = [settings(run) for run in runs]
    names = dict.fromkeys(name for one in found for name in one)
    values = {name: [one.get(name) for one in found] for name in names}
    return {n: v for n, v in values.items() if everything or any(one != v[0] for one in v)}


def results(runs, which="best", metrics=None):
    """Return what came of runs, ``{metric: [value of each run]}``; None where a run has none.

    Parameters
    ----------
    runs : list of RunFolder
    which : {"best", "min", "max", "last"}
        Which of a metric's values over the epochs.
    metrics : list of str, optional
        By default the losses and scores of training, validation and test.

    Raises
    ------
    ValueError
        ``which`` is none of these.
    KeyError
        A metric that none of the runs has.
    """
    if which not in WHICH:
        raise ValueError(f"which: expected one of {', '.join(WHICH)}, got {which!r}")
    there = dict.fromkeys(name for run in runs for name in run.metrics)
    for name in metrics or ():
        if name not in there:
            raise KeyError(f"no run has {name!r}; there are: {', '.join(there)}")
    usual = [n for n in there if n.startswith(("train_", "val_", "test_")) and n[-5:] != "_step"]
    return {
        name: [_value(run, name, which) if name in run.metrics else None for run in runs]
        for name in metrics or usual
    }


def _value(run, name, which):
    """Return one number of a metric; the last one instead of a best that is not known."""
    known = which != "best" or name in run.best or direction(name)
    return run.value(name, which if known else "last")


def best_indices(name, values, which="best"):
    """Return the indices of the best of several runs' values of a metric; of equal ones all."""
    mode = direction(name) if which in ("best", "last") else which
    if mode is None:
        return []
    there = [v for v in values if v is not None and v == v]
    best = (max if mode == "max" else min)(there, default=None)
    return [index for index, value in enumerate(values) if there and value == best]


def short_labels(runs, most=3):
    """Return a text for each run by which a reader tells them apart.

    The end of its id and the settings in which the runs differ, if these are few; of runs of
    several names the name too.
    """
    names = {run.name for run in runs}
    labels = [run.id[-4:] if len(names) == 1 else f"{run.name}/{run.id[-4:]}" for run in runs]
    if len(set(labels)) < len(labels):
        labels = [run.label for run in runs]
    differing = differences(runs)
    if not 0 < len(differing) <= most:
        return labels
    told = [
        " ".join(f"{name.rpartition('.')[2]}={_short(v[i])}" for name, v in differing.items())
        for i in range(len(runs))
    ]
    return [f"{label}  {text}" for label, text in zip(labels, told, strict=True)]


def _short(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
