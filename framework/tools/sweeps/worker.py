"""Worker: the process that trains one trial: ``python -m firstlight.tools.sweeps.worker FILE``."""

import json
import sys
import warnings
from pathlib import Path

from firstlight.callback import Callback
from firstlight.runs.processes import identity
from firstlight.support.files import inside
from firstlight.tools.cli import fit, trust
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import Names
from firstlight.tools.sweeps.spec import spec_of
from firstlight.tools.sweeps.trials import note


class SweepTrial(Callback):
    """Notes which run a trial is, and gives it up where that is not worth going on with.

    Parameters
    ----------
    path : path-like
        The trial's file.
    metric : str
        What to report.
    pruner : object with ``report(value, epoch)``, optional
        Returns whether to give up.
    """

    def __init__(self, path, metric, pruner=None):
        self.path, self.metric, self.pruner = path, metric, pruner

    def on_fit_start(self, trainer):
        """Note the run."""
        note(self.path, run=trainer.run.id)

    def on_train_epoch_end(self, trainer):
        """Report the metric, and stop if it does not promise enough."""
        if self.pruner is None or self.metric not in trainer.metrics:
            return
        if self.pruner.report(trainer.metrics[self.metric], trainer.epoch):
            trainer.stop(f"pruned: {self.metric} is behind that of other trials at this epoch")


def settings_of(spec, parameters, runs_dir, folder=None, trusted=False):
    """Return the `Arguments` of a trial.

    Parameters
    ----------
    spec : SweepSpec
    parameters : dict
    runs_dir : path-like
    folder : path-like, optional
        The sweep's, if it is begun already.
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


def run(path, trusted=False):
    """Train the trial that a file describes; returns the exit code."""
    path = Path(path)
    folder = path.parents[1]
    note(path, **identity())
    told = json.loads(path.read_text(encoding="utf-8"))
    spec = spec_of(folder)
    try:
        settings = settings_of(spec, told["parameters"], folder.parent, folder, trusted)
        pruner = None
        if told.get("optuna") is not None:
            from firstlight.tools.sweeps.optuna_sampler import Pruner

            pruner = Pruner(spec, folder, told["optuna"])
        resume = inside(folder, told["resume"]) if told["resume"] else None
        return fit.train(settings, resume, [SweepTrial(path, spec.metric, pruner)])
    except (Exception, UsageError) as error:
        note(path, error=f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    warnings.simplefilter("default")
    sys.exit(run(sys.argv[1], "--trust" in sys.argv[2:]))
