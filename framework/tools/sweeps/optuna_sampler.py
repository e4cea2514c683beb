"""OptunaSampler: settings by Optuna's tree-structured Parzen estimator, and pruning.

What Optuna knows is in ``optuna.journal``, a file to which any number of processes append.
"""

import json
import math
import warnings
from pathlib import Path

from firstlight.tools.sweeps.space import Choice

JOURNAL = "optuna.journal"


class OptunaSampler:
    """Settings that Optuna suggests from how the trials before turned out.

    Parameters
    ----------
    spec : SweepSpec
    folder : path-like
        Of the sweep; holds the journal.

    References
    ----------
    Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    """

    def __init__(self, spec, folder):
        self._spec, self._optuna = spec, _optuna()
        self._study = open_study(spec, folder, spec.seed)
        self._distributions = {name: self._distribution(one) for name, one in spec.space.items()}

    def ask(self, number):
        """Return the settings that Optuna suggests for a trial, and its number there."""
        # A sampler of its own for each trial: several processes must not draw the same numbers.
        self._study.sampler = _sampler(self._optuna, [self._spec.seed, number])
        found = self._study.ask(self._distributions)
        settings = {
            name: json.loads(value) if isinstance(self._spec.space[name], Choice) else value
            for name, value in found.params.items()
        }
        return settings, {"optuna": found.number}

    def tell(self, trials):
        """Tell Optuna how trials that are over turned out, as far as it does not know yet."""
        states = self._optuna.trial.TrialState
        waiting = {
            found.number: found
            for found in self._study.get_trials(deepcopy=False, states=(states.RUNNING,))
        }
        for trial in trials:
            number = trial.told.get("optuna")
            if number not in waiting or trial.status not in ("finished", "pruned", "failed"):
                continue
            value = trial.value(self._spec.metric, self._spec.mode)
            done = {"finished": states.COMPLETE, "pruned": states.PRUNED}
            state = done.get(trial.status, states.FAIL)
            if state == states.COMPLETE and value is None:
                state = states.FAIL
            told = None  # Optuna has what was reported
            if state == states.COMPLETE:
                told = _or_worst(value, self._spec)
            self._study.tell(number, told, state=state, skip_if_finished=True)

    def _distribution(self, one):
        distributions = self._optuna.distributions
        if isinstance(one, Choice):  # as JSON: Optuna takes no lists
            return distributions.CategoricalDistribution([json.dumps(v) for v in one.values])
        if one.whole:
            return distributions.IntDistribution(one.min, one.max, one.log, one.step or 1)
        return distributions.FloatDistribution(one.min, one.max, one.log, one.step)


class Pruner:
    """Reports a trial's metric to Optuna, and asks whether it is worth going on.

    Parameters
    ----------
    spec : SweepSpec
    folder : path-like
    number : int
        Of the trial, in Optuna.
    """

    def __init__(self, spec, folder, number):
        study = open_study(spec, folder, spec.seed)
        frozen = study.get_trials(deepcopy=False)[number]
        self._trial, self._spec = _optuna().trial.Trial(study, frozen._trial_id), spec
        self._reported = set(frozen.intermediate_values)

    def report(self, value, epoch):
        """Report a value, and return whether the trial should be given up."""
        if epoch in self._reported:  # told before it was broken off
            return False
        self._reported.add(epoch)
        self._trial.report(_or_worst(value, self._spec), epoch)
        return self._trial.should_prune()


def _or_worst(value, spec):
    """Return a value; the worst there is for one that is infinite or NaN, which is divergence."""
    worst = -math.inf if spec.mode == "max" else math.inf
    return value if math.isfinite(value) else worst


def open_study(spec, folder, seed):
    """Return Optuna's study of a sweep, made if need be."""
    optuna = _optuna()
    journal = optuna.storages.journal
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.JournalStorage(
            journal.JournalFileBackend(str(Path(folder) / JOURNAL))
        )
        pruners = {
            "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
            "hyperband": optuna.pruners.HyperbandPruner,
            "none": optuna.pruners.NopPruner,
        }
        return optuna.create_study(
            study_name=spec.name,
            storage=storage,
            sampler=_sampler(optuna, [seed]),
            pruner=pruners[spec.pruner](),
            direction=spec.goal,
            load_if_exists=True,
        )


def _sampler(optuna, seeds):
    import numpy as np

    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=seed)


def _optuna():
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
