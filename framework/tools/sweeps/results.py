"""Results of a sweep: the table, the best trial, and the importance of each setting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.sweeps.space import label
from firstlight.tools.sweeps.spec import SweepSpec
from firstlight.tools.sweeps.trials import Trial, Trials, import_optuna

ENOUGH = 10  # smallest number of finished trials for an importance


def results_table(spec: SweepSpec, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return a dict for each trial: its status, its settings and its results.

    Parameters
    ----------
    spec : SweepSpec
    trials : list of Trial

    Returns
    -------
    list of dict
        With "trial", "run", "status", the metric of the sweep, the settings, the metrics of the
        test, "epochs", "time" and "error"; None for what does not exist.
    """
    rows = []
    for trial in trials:
        run = trial.run
        metrics = run.metrics if run else {}
        rows.append(
            {
                "trial": trial.number,
                "run": run.id if run else None,
                "status": trial.status,
                spec.metric: trial.value,
                **{name: label(trial.parameters.get(name)) for name in spec.space},
                **{name: metrics[name] for name in metrics if name.startswith("test_")},
                "epochs": run.place["epoch"] if run else None,
                "time": round(run.place["time"], 3) if run else None,
                "error": trial.error or None,
            }
        )
    return rows


def ranked(spec: SweepSpec, trials: Sequence[Trial]) -> list[Trial]:
    """Return the finished and pruned trials that have a value, the best first.

    Those that diverged, whose value is infinite or NaN, come last in either direction.
    """
    sign = -1 if spec.mode == "max" else 1

    def order(trial):
        return sign * trial.value if math.isfinite(trial.value) else math.inf, trial.number

    ended = [trial for trial in trials if trial.status in ("finished", "pruned")]
    return sorted((trial for trial in ended if trial.value is not None), key=order)


def best_trial(spec: SweepSpec, trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the best finite value, None if there is none."""
    finished = [trial for trial in ranked(spec, trials) if trial.status == "finished"]
    best = finished[0] if finished else None
    return best if best and math.isfinite(best.value) else None


def explored(spec: SweepSpec, trials: Sequence[Trial]) -> tuple[Array, dict[str, list[Any]]]:
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
        The settings that take more than one value, by name.
    """
    rated = sorted(ranked(spec, trials), key=lambda trial: trial.number)
    values = np.array([trial.value for trial in rated], dtype=float)
    values[~np.isfinite(values)] = -np.inf if spec.mode == "max" else np.inf
    return values, {name: [t.parameters[name] for t in rated] for name in spec.searched}


def importance(trials: Trials) -> dict[str, float]:
    """Return how important each setting was for being among the best tenth, by PED-ANOVA.

    Optuna compares the distribution of a setting among the best tenth of the finished trials with
    that among all finished trials whose value is finite: a setting is important if the best have
    other values of it than the rest. The importance of two settings that matter only together is
    not detected.

    Parameters
    ----------
    trials : Trials

    Returns
    -------
    dict of str to float
        Shares of the sum, the largest first; NaN for all if there are fewer than 10 trials.

    References
    ----------
    Watanabe et al., "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", IJCAI 2023.
    """
    searched = trials.spec.searched
    finished = [t for t in trials.study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if not searched or sum(math.isfinite(trial.value) for trial in finished) < ENOUGH:
        return dict.fromkeys(searched, math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about equal results
        return import_optuna().importance.get_param_importances(trials.study, params=searched)
