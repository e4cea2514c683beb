"""The driver of a sweep: starts a process for each trial, a few at a time."""

from __future__ import annotations

import contextlib
import difflib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from firstlight.runs.masking import masked_text
from firstlight.support.files import no_link, refuse_link, write_json
from firstlight.tools.sweeps.spec import FILE, SweepSpec, spec_of
from firstlight.tools.sweeps.trials import Trial, Trials
from firstlight.training.interrupt import SIGNALS
from firstlight.training.process import THREAD_VARIABLES

WINDOWS = sys.platform == "win32"
HOPELESS = 3  # trials that fail before any has finished end a sweep


class Driver:
    """Trains the trials of a sweep until none is left.

    Parameters
    ----------
    spec : SweepSpec
    runs_dir : path-like
        The sweep's folder lies in it, under the sweep's name.
    on_trial_end : callable
        Called with each trial that has ended.
    trusted : bool
        Whether code that the sweep names may run, though this user's commands have not made it.

    Attributes
    ----------
    folder : pathlib.Path
        Of the sweep.
    trials : Trials

    Raises
    ------
    ValueError
        The folder holds another sweep, or runs that belong to none.
    MissingPackageError
        Optuna is not installed.
    """

    def __init__(
        self,
        spec: SweepSpec,
        runs_dir: str | os.PathLike[str],
        on_trial_end: Callable[[Trial], None] = lambda trial: None,
        trusted: bool = False,
    ) -> None:
        self.spec: SweepSpec = spec
        self.on_trial_end: Callable[[Trial], None] = on_trial_end
        self.trusted: bool = trusted
        self.folder: Path = Path(runs_dir).expanduser().absolute() / spec.name
        self._running: dict[subprocess.Popen[bytes], int] = {}
        self._tried: set[int] = set()
        self._failed, self._succeeded = 0, False
        for name in ("trials", "plots"):
            refuse_link(self.folder / name)
        if (self.folder / FILE).is_file():
            if changed := spec.changed(spec_of(self.folder)):
                raise ValueError(
                    f"{self.folder} holds a sweep with other {' and '.join(changed)}; give this "
                    "one another name, or delete that folder"
                )
        elif any(path.is_dir() for path in self.folder.glob("*")):
            raise ValueError(
                f"{self.folder} holds runs that belong to no sweep; give the sweep another name"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.trials: Trials = Trials(self.folder, spec)
        write_json(self.folder / FILE, spec.as_dict())

    def run(self) -> None:
        """Train until all trials are over, here or elsewhere.

        The first Ctrl-C (or SIGTERM, SIGUSR1) stops the trainings after their step, with a
        checkpoint from which the same command resumes them; then KeyboardInterrupt is raised.

        Raises
        ------
        RuntimeError
            The first trials all failed, or one finished without the metric.
        """
        before = {one: signal.signal(one, self._terminated) for one in SIGNALS}
        try:
            while True:
                while len(self._running) < self.spec.jobs:
                    trial = self.trials.take(self._tried)
                    if trial is None:
                        break
                    self._start(trial)
                if not self._running:
                    return
                self._wait()
        except BaseException as error:
            self._stop(by_hand=isinstance(error, KeyboardInterrupt))
            raise
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _start(self, trial: Trial) -> None:
        self._tried.add(trial.number)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.spec.jobs > 1 and not any(name in os.environ for name in THREAD_VARIABLES):
            each = str(max(1, _cores() // self.spec.jobs))
            environment |= dict.fromkeys(THREAD_VARIABLES, each)
        # -P: a module in the working directory, numpy.py say, must not replace a package
        command = [sys.executable, "-P", "-m", "firstlight.tools.sweeps.worker"]
        command += [str(self.folder), str(trial.number), *["--trust"] * self.trusted]
        trial.log.parent.mkdir(exist_ok=True)
        trial.log.unlink(missing_ok=True)  # it may be a link to somewhere else
        with open(trial.log, "wb", opener=no_link) as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self._running[process] = trial.number

    def _wait(self) -> None:
        """Wait until a process has ended, and check the trials of those that have."""
        while not (ended := [one for one in self._running if one.poll() is not None]):
            time.sleep(0.05)
        for process in ended:
            number = self._running.pop(process)
            trial = self.trials.get(number)
            if trial.status in ("crashed", "running"):  # it ended before it could report an error
                fact = {"error": _last_line(trial.log)} if process.returncode == 1 else {}
                self.trials.note(number, owner=None, **fact)
                trial = self.trials.get(number)
            self.on_trial_end(trial)
            self._check(trial)

    def _check(self, trial: Trial) -> None:
        """Raise a RuntimeError if a trial shows that the sweep cannot succeed."""
        metric = self.spec.metric
        if trial.status == "finished" and trial.value is None:
            logged = [name for name in trial.run.metrics if not name.startswith("train_")]
            close = difflib.get_close_matches(metric, logged, n=1)
            raise RuntimeError(
                f"trial {trial.number} has finished and logged no {metric}; "
                + (f"did you mean {close[0]}?" if close else f"there are {', '.join(logged)}")
            )
        self._succeeded |= trial.status in ("finished", "pruned")
        self._failed += trial.status == "failed"
        if not self._succeeded and self._failed == HOPELESS:
            raise RuntimeError(
                f"the first {HOPELESS} trials failed, the last one with {trial.error}; its "
                f"output: {trial.log}"
            )

    def _stop(self, *, by_hand: bool) -> None:
        """Stop all trainings after their step, and wait for them.

        On Windows a process can only be killed. After Ctrl-C, which its console has sent to the
        trainings, too, they are left to save.
        """
        for process in () if WINDOWS and by_hand else self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            process.wait()

    @staticmethod
    def _terminated(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return masked_text(next((line for line in reversed(lines) if line.strip()), "no output"))
