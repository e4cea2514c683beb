"""The process that trains one trial: ``python -m firstlight.tools.sweeps.worker FOLDER NUMBER``."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.callback import Callback
from firstlight.tools.cli import trust
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.commands import fit
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import Names
from firstlight.tools.sweeps.spec import SweepSpec
from firstlight.tools.sweeps.trials import Trials

if TYPE_CHECKING:
    from firstlight.trainer import Trainer


class SweepTrial(Callback):
    """Report a training's run and metric to Optuna, and stop it if Optuna prunes it.

    Parameters
    ----------
    trials : Trials
    number : int
        Of the trial.
    """

    def __init__(self, trials: Trials, number: int) -> None:
        self.trials: Trials = trials
        self.number: int = number

    def on_fit_start(self, trainer: Trainer) -> None:
        """Note the run."""
        self.trials.note(self.number, run=trainer.run.id)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Report the metric, and stop a training that the pruner gives up."""
        metric = self.trials.spec.metric
        if metric not in trainer.metrics:
            return
        if self.trials.report(self.number, trainer.metrics[metric], trainer.epoch):
            trainer.stop(f"pruned: {metric} is behind that of other trials at this epoch")


def settings_of(
    spec: SweepSpec,
    parameters: dict[str, Any],
    runs_dir: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    trusted: bool = False,
) -> Arguments:
    """Return the `Arguments` of a trial.

    Parameters
    ----------
    spec : SweepSpec
    parameters : dict
    runs_dir : path-like
    folder : path-like, optional
        The sweep's, if it exists already.
    trusted : bool
        Whether code that the sweep names may run, though this user's commands have not made it.

    Raises
    ------
    UsageError
        Something in the sweep's file is not known, or of another type.
    """
    source = trust.Source(f"sweep {spec.name}", folder)
    names = Names(trusted=trusted)
    names.add(spec.fit, source)
    for kind in ("model", "data"):
        if kind in parameters:
            names.choose(kind, parameters[kind], source)
    for flag, value in parameters.items():
        if flag not in ("model", "data"):
            value = list(value) if isinstance(value, tuple) else value
            names.values[flag.removeprefix("callbacks.")] = value, source
    names.values["name"] = spec.name, source
    names.values["runs_dir"] = str(runs_dir), source
    fit.use_defaults(
        names, {flag for flag, (value, _) in names.values.items() if value is not None}
    )
    settings = Arguments(names, fit.GENERAL)
    settings.parse([], known=())
    return settings


def run(folder: str | os.PathLike[str], number: int, trusted: bool = False) -> int:
    """Train one trial of the sweep in a folder; return the exit code."""
    trials, folder = Trials(folder), Path(folder)
    trials.own(number)
    trial = trials.get(number)
    try:
        settings = settings_of(trials.spec, trial.parameters, folder.parent, folder, trusted)
        return fit.train(settings, trial.resume, [SweepTrial(trials, number)])
    except (Exception, UsageError) as error:
        trials.note(number, error=f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    warnings.simplefilter("default")
    sys.exit(run(sys.argv[1], int(sys.argv[2]), "--trust" in sys.argv[3:]))
