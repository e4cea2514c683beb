"""Results of a sweep: a table, the best trial, and which settings mattered."""

import math

import numpy as np

from firstlight.runs.export import as_csv
from firstlight.tools.sweeps.space import label

GROUPS = 4  # into which the values of a numeric setting are divided
LEAST = 3  # trials in a group, on average
ENOUGH = 8  # trials, to say anything at all


def results_table(spec, trials):
    """Return a dict for each trial: how it stands, its settings and its results.

    Parameters
    ----------
    spec : SweepSpec
    trials : list of Trial

    Returns
    -------
    list of dict
        With "trial", "run", "status", the metric that was searched for, its "epoch", the settings,
        and the metrics of the test; None for what is not there.
    """
    rows = []
    for trial in trials:
        run = trial.run
        value = trial.value(spec.metric, spec.mode)
        rows.append(
            {
                "trial": trial.number,
                "run": run.id if run else None,
                "status": trial.status,
                spec.metric: value,
                **{name: label(trial.parameters.get(name)) for name in spec.space},
                **{n: v for n, v in (run.metrics if run else {}).items() if n[:5] == "test_"},
                "epochs": run.place["epoch"] if run else None,
                "time": round(run.place["time"], 3) if run else None,
                "error": trial.error or None,
            }
        )
    return rows


def table_csv(spec, trials):
    """Return `results_table` as the text of a CSV file."""
    return as_csv(results_table(spec, trials))


def ranked(spec, trials):
    """Return the finished and pruned trials that have a value, the best first.

    Those that diverged, whose value is infinite or NaN, come last, whatever is better.
    """
    values = [(trial.value(spec.metric, spec.mode), trial) for trial in trials]
    there = [(v, t) for v, t in values if v is not None and t.status in ("finished", "pruned")]
    sign = -1 if spec.mode == "max" else 1
    there = [(sign * v if math.isfinite(v) else math.inf, trial) for v, trial in there]
    return [trial for _, trial in sorted(there, key=lambda pair: (pair[0], pair[1].number))]


def best_trial(spec, trials):
    """Return the finished trial with the best finite value, None if there is none."""
    return next(
        (
            trial
            for trial in ranked(spec, trials)
            if trial.status == "finished" and math.isfinite(trial.value(spec.metric, spec.mode))
        ),
        None,
    )


def rerun_config(run):
    """Return the settings of a run as a file for ``firstlight fit --config`` holds them."""
    return {n: v for n, v in run.config.items() if n not in ("facts", "name", "runs_dir")}


def explored(spec, trials):
    """Return ``(values, parameters)`` of all trials that have a value.

    Parameters
    ----------
    spec : SweepSpec
    trials : list of Trial

    Returns
    -------
    values : array, shape (N,)
        inf, or -inf where larger is better, of trials that diverged.
    parameters : dict of str to list of N
        What was searched, by its name; of a setting with one value nothing.
    """
    there = sorted(ranked(spec, trials), key=lambda trial: trial.number)
    values = np.array([trial.value(spec.metric, spec.mode) for trial in there], dtype=float)
    values[~np.isfinite(values)] = -np.inf if spec.mode == "max" else np.inf
    return values, {name: [t.parameters[name] for t in there] for name in spec.searched}


def importance(values, parameters):
    """Return how much of the differences in the results each setting explains by itself.

    The results are replaced by their ranks, so that a training that diverged does not count for
    everything, and each setting's values are put into groups: numbers into four of equal size,
    others by value. Then ε² = (SS_between - (k-1) MS_within) / SS_total of these ranks: the share
    that the groups explain, less what k groups explain by chance. What two settings do only
    together is not seen.

    Parameters
    ----------
    values : array, shape (N,)
        Results.
    parameters : dict of str to list of N

    Returns
    -------
    dict of str to float
        From 0 to 1, the most important first; NaN where there are too few trials to tell.

    References
    ----------
    Kelley, "An unbiased correlation ratio measure", PNAS 21, 1935.

    Examples
    --------
    >>> from firstlight.tools.sweeps import importance
    >>> loss = [0.1, 0.2, 0.11, 0.22, 0.12, 0.21, 0.13, 0.23]
    >>> found = importance(loss, {"depth": [1, 2] * 4, "seed": [0, 0, 1, 1] * 2})
    >>> {name: round(share, 2) for name, share in found.items()}
    {'depth': 0.72, 'seed': 0.0}
    """
    values = np.asarray(values, dtype=float)
    _, place, equal = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(equal) - (equal - 1) / 2)[place]  # equal results share their mean rank
    shares = {name: _explained(ranks, _groups(given)) for name, given in parameters.items()}
    return dict(sorted(shares.items(), key=lambda pair: -np.nan_to_num(pair[1], nan=-1)))


def _groups(given):
    """Return the number of a group for each value, shape (N,)."""
    given = [value.item() if isinstance(value, np.generic) else value for value in given]
    distinct = list(dict.fromkeys(map(label, given)))
    count = max(1, min(GROUPS, len(given) // LEAST))
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given)
    if not numeric or len(distinct) <= GROUPS:
        return np.array([distinct.index(label(value)) for value in given], dtype=int)
    order = np.argsort(np.argsort(np.asarray(given, dtype=float), kind="stable"), kind="stable")
    return order * count // len(given)


def _explained(ranks, groups):
    kinds, members = np.unique(groups, return_inverse=True)
    count, k = len(ranks), len(kinds)
    if k < 2 or count < max(ENOUGH, LEAST * k):
        return float("nan")
    total = float(((ranks - ranks.mean()) ** 2).sum())
    means = np.array([ranks[members == i].mean() for i in range(k)])
    within = float(((ranks - means[members]) ** 2).sum())
    share = (total - within - (k - 1) * within / (count - k)) / total
    return max(0.0, share)
