"""The trials of a sweep: Optuna's study in the sweep's folder, and the run of each trial.

Any number of processes, on any machines that share the folder, append to one journal. Each takes
trials under a file lock, so that no trial is trained twice and no extra one is made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.runs.folder import RunFolder
from firstlight.runs.processes import alive, identity, machine
from firstlight.support.extras import require
from firstlight.support.files import inside, no_link
from firstlight.tools.sweeps.spec import SweepSpec, spec_of

if TYPE_CHECKING:
    import optuna

JOURNAL = "optuna.journal"
SILENT = 60.0  # seconds after which a trial without a run counts as dead, on another machine
INTERRUPTED = ("crashed", "interrupted", "deleted")
STATES = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


class Trial:
    """One combination of settings: what Optuna keeps of it, and the run that trains it.

    Parameters
    ----------
    frozen : optuna.trial.FrozenTrial
    spec : SweepSpec
    folder : pathlib.Path
        Of the sweep.

    Attributes
    ----------
    number, attempt : int
        From 1 on; attempt 2 resumes what attempt 1 left.
    parameters : dict
        The settings by name.
    run : RunFolder or None
        None before the training has started.
    status : str
        As a run's, or "pruned", or "deleted" if the run's folder is gone.
    """

    def __init__(self, frozen: optuna.trial.FrozenTrial, spec: SweepSpec, folder: Path) -> None:
        self._frozen, self._spec, self._folder = frozen, spec, folder
        self._facts: dict[str, Any] = frozen.user_attrs
        self.number: int = frozen.number + 1
        attempt = self._facts.get("attempt")
        self.attempt: int = attempt if isinstance(attempt, int) else 0
        self.parameters: dict[str, Any] = {
            name: one.restored(frozen.params[name])
            for name, one in spec.space.items()
            if name in frozen.params
        }

    @property
    def over(self) -> bool:
        """Whether Optuna has the result."""
        return self._frozen.state.is_finished()

    @property
    def log(self) -> Path:
        """The file with the training's output."""
        return self._folder / "trials" / f"{self.number:04}.{self.attempt}.log"

    @property
    def last_run(self) -> str | None:
        """The id of the run of this attempt, or else of the one before it."""
        return self._facts.get("run") or self._facts.get("resume")

    @property
    def resume(self) -> Path | None:
        """The folder of the run to resume, None if there is no checkpoint."""
        run = self._run_folder(self.last_run)
        return run.path if run is not None and run.resumable else None

    @cached_property
    def run(self) -> RunFolder | None:
        """The run of this attempt."""
        return self._run_folder(self._facts.get("run"))

    @cached_property
    def status(self) -> str:
        """The trial's status."""
        if self._facts.get("error"):
            return "failed"
        if self.run is not None:
            stopped = str(self.run.summary.get("stopped"))
            pruned = self.run.status == "finished" and stopped.startswith("pruned")
            return "pruned" if pruned else self.run.status
        if self._facts.get("run"):
            return "deleted"
        if self.over:
            return next(s for s, state in STATES.items() if state == self._frozen.state.name)
        owner = self._facts.get("owner")
        if not isinstance(owner, dict):  # its process ended while it took the trial
            return "crashed"
        if owner.get("machine") == machine():
            running = alive(owner.get("pid"), owner.get("process_started"))
        else:  # a time in the future: a clock is ahead
            since = owner.get("time")
            running = isinstance(since, float) and abs(time.time() - since) < SILENT
        return "running" if running else "crashed"

    @property
    def error(self) -> str:
        """The exception that ended the trial, "" if there was none."""
        return self._facts.get("error") or (self.run.summary.get("error", "") if self.run else "")

    @cached_property
    def value(self) -> float | None:
        """The best value of the sweep's metric, None if there is none."""
        if self.run is None:
            return None
        try:
            return self.run.value(self._spec.metric, "best", self._spec.mode)
        except KeyError:
            return None

    def _run_folder(self, name: str | None) -> RunFolder | None:
        try:
            return RunFolder(inside(self._folder, name))
        except (ValueError, FileNotFoundError):
            return None


class Trials:
    """The trials in a sweep's folder.

    Parameters
    ----------
    folder : path-like
    spec : SweepSpec, optional
        By default the one that the folder keeps.

    Attributes
    ----------
    folder : pathlib.Path
    spec : SweepSpec
    study : optuna.Study

    Raises
    ------
    MissingPackageError
        Optuna is not installed.
    ValueError
        The journal is damaged, or an earlier version of firstlight made the sweep.

    References
    ----------
    Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    """

    def __init__(self, folder: str | os.PathLike[str], spec: SweepSpec | None = None) -> None:
        self.folder: Path = Path(folder)
        self.spec: SweepSpec = spec_of(folder) if spec is None else spec
        self._optuna = import_optuna()
        if any((self.folder / "trials").glob("[0-9]*.json")):
            raise ValueError(
                f"{self.folder} is a sweep of an earlier version of firstlight, which this one "
                "cannot continue; its runs and tables stay as they are; give the sweep another name"
            )
        journal, path = self._optuna.storages.journal, self.folder / JOURNAL
        # O_EXCL locks hold on NFS from version 3 on, and need no privilege on Windows as links do.
        self._lock = journal.JournalFileOpenLock(str(self.folder / "trials"))
        open(path, "ab", opener=no_link).close()
        backend = journal.JournalFileBackend(str(path), journal.JournalFileOpenLock(str(path)))
        try:
            self._storage = self._optuna.storages.JournalStorage(backend)
            self.study: optuna.Study = self._optuna.create_study(
                study_name=self.spec.name,
                storage=self._storage,
                sampler=self._optuna.samplers.RandomSampler(),
                pruner=self._pruner(),
                direction=self.spec.goal,
                load_if_exists=True,
            )
        except OSError:
            raise
        except Exception as error:  # a damaged line may raise many kinds
            raise ValueError(
                f"{path}: damaged ({type(error).__name__}: {error}); remove the damaged line, or "
                "give the sweep another name"
            ) from error

    def all(self) -> list[Trial]:
        """Return all trials, by number."""
        frozen = self.study.get_trials(deepcopy=False)
        return [Trial(one, self.spec, self.folder) for one in frozen]

    def get(self, number: int) -> Trial:
        """Return one trial."""
        return Trial(self._frozen(number), self.spec, self.folder)

    def take(self, passed_over: Collection[int] = ()) -> Trial | None:
        """Take a trial to train: one that was interrupted, or else a new one.

        Parameters
        ----------
        passed_over : collection of int
            Numbers of trials not to resume.

        Returns
        -------
        Trial or None
            None if all are over, or taken by other processes.
        """
        with self._locked():
            self._tell()
            trials = self.all()[: self.spec.trials]
            free = (t for t in trials if t.number not in passed_over and not t.over)
            before = next((trial for trial in free if trial.status in INTERRUPTED), None)
            if before is None and len(trials) == self.spec.trials:
                return None
            number = len(trials) + 1 if before is None else before.number
            study = self._optuna.load_study(
                study_name=self.spec.name,
                storage=self._storage,
                sampler=self._sampler(number),
                pruner=self.study.pruner,
            )
            asked = study.ask() if before is None else self._handle(number, study)
            for name, one in self.spec.space.items():
                one.suggest(asked, name)
            self.own(number)
            self.note(
                number,
                attempt=before.attempt + 1 if before else 1,
                resume=before.last_run if before else None,
                run=None,
            )
            return self.get(number)

    def own(self, number: int) -> None:
        """Make this process the owner of a trial, which is running while the process is alive."""
        self.note(number, owner={**identity(), "time": time.time()})

    def note(self, number: int, **facts: Any) -> None:
        """Keep facts with a trial: ``owner``, ``attempt``, ``run``, ``resume`` or ``error``."""
        handle = self._handle(number)
        for name, value in facts.items():
            handle.set_user_attr(name, value)

    def report(self, number: int, value: float, epoch: int) -> bool:
        """Report the metric after an epoch, and return whether the trial should be pruned."""
        if epoch in self._frozen(number).intermediate_values:
            return False  # reported before the trial was interrupted
        handle = self._handle(number)
        handle.report(self._or_worst(value), epoch)
        return handle.should_prune()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # another process took it for dead
                self._lock.release()

    def _tell(self) -> None:
        """Report the results of all trials that are over to Optuna."""
        for trial in self.all():
            if trial.over or trial.status not in STATES:
                continue
            state = self._optuna.trial.TrialState[STATES[trial.status]]
            value = trial.value
            if state.name != "COMPLETE":
                value = None  # Optuna has the reported values
            elif value is None:
                state = self._optuna.trial.TrialState.FAIL
            else:
                value = self._or_worst(value)
            self.study.tell(trial.number - 1, value, state=state)

    def _or_worst(self, value: float) -> float:
        """Return a value, or the worst infinity for a divergence (NaN or infinity)."""
        worst = -np.inf if self.spec.mode == "max" else np.inf
        return value if np.isfinite(value) else worst

    def _frozen(self, number: int) -> optuna.trial.FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number - 1]

    def _handle(self, number: int, study: optuna.Study | None = None) -> optuna.Trial:
        """Return the object through which Optuna changes a trial."""
        return self._optuna.Trial(study or self.study, self._frozen(number)._trial_id)

    def _pruner(self) -> optuna.pruners.BasePruner:
        pruners = self._optuna.pruners
        if self.spec.pruner == "median":
            return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        return pruners.HyperbandPruner() if self.spec.pruner == "hyperband" else pruners.NopPruner()

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler of one trial, seeded by its number: processes draw no number twice."""
        samplers, spec = self._optuna.samplers, self.spec
        if spec.method == "grid":
            values = {name: one.grid() for name, one in spec.space.items()}
            return samplers.GridSampler(values, seed=spec.seed)
        seed = int(np.random.SeedSequence([spec.seed, number]).generate_state(1)[0])
        kinds = {"random": samplers.RandomSampler, "tpe": samplers.TPESampler}
        return kinds[spec.method](seed=seed)


def import_optuna() -> Any:
    """Import Optuna, and set it to print warnings only.

    Raises
    ------
    MissingPackageError
        It is not installed.
    """
    require("a sweep", "optuna", extra="optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
