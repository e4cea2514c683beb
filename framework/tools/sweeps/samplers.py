"""Samplers: which settings a trial gets.

Each has ``ask(number)`` -> (settings, facts to keep with the trial) and ``tell(trials)``, which is
called with how all trials stand before a new one is asked for.
"""

from firstlight.support.extras import require
from firstlight.tools.sweeps.space import grid, sample


def check_installed(spec):
    """Raise a MissingPackageError if the sampler of a sweep needs a package that is missing."""
    if spec.method == "tpe":
        require("method tpe", "optuna", extra="optuna")


def make_sampler(spec, folder):
    """Return the sampler of a sweep."""
    if spec.method == "tpe":
        from firstlight.tools.sweeps.optuna_sampler import OptunaSampler

        return OptunaSampler(spec, folder)
    return {"grid": GridSampler, "random": RandomSampler}[spec.method](spec)


class GridSampler:
    """Every combination, one after the other."""

    def __init__(self, spec):
        self._all = grid(spec.space, spec.trials)

    def ask(self, number):
        """Return the settings of a trial, counted from 1."""
        return self._all[number - 1], {}

    def tell(self, trials):
        """Learn nothing."""


class RandomSampler:
    """Combinations by chance, the same ones for the same seed in whatever order they are run.

    References
    ----------
    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
    """

    def __init__(self, spec):
        self._space, self._seed = spec.space, spec.seed

    def ask(self, number):
        """Return the settings of a trial, counted from 1."""
        return sample(self._space, self._seed, number), {}

    def tell(self, trials):
        """Learn nothing."""
