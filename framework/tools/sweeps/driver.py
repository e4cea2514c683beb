"""Driver: starts the processes of a sweep, a few at a time, and sees how they end."""

import contextlib
import difflib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from firstlight.support.files import no_link, refuse_link, write_json
from firstlight.tools.sweeps.samplers import check_installed, make_sampler
from firstlight.tools.sweeps.spec import FILE, spec_of
from firstlight.tools.sweeps.trials import BROKEN_OFF, Trials, note
from firstlight.training.interrupt import SIGNALS

THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS")
HOPELESS = 3  # trials that fail before any has finished end a sweep


class Driver:
    """Works on a sweep until there is nothing left to do.

    Parameters
    ----------
    spec : SweepSpec
    runs_dir : path-like
        The sweep is its folder of the sweep's name.
    told : callable
        Called with each trial that is over.
    trusted : bool
        Whether code that the sweep names may run, though this user's commands have not made it.

    Raises
    ------
    ValueError
        The folder holds another sweep, or runs that belong to none.
    MissingPackageError
        The sampler needs a package that is not installed.
    """

    def __init__(self, spec, runs_dir, told=lambda trial: None, trusted=False):
        check_installed(spec)
        self.spec, self.told, self.trusted = spec, told, trusted
        self.folder = Path(runs_dir).expanduser().absolute() / spec.name
        self.trials = Trials(self.folder)
        self._running, self._tried, self._over = {}, set(), set()
        self._failed, self._succeeded = [], False
        self._open_folder()
        self.sampler = make_sampler(spec, self.folder)

    def _open_folder(self):
        file = self.folder / FILE
        for name in ("trials", "plots"):
            refuse_link(self.folder / name)
        used = any(path.is_dir() for path in self.folder.glob("*"))  # looked at before the file
        if file.is_file():
            before = spec_of(self.folder)
            if changed := self.spec.changed(before):
                raise ValueError(
                    f"{self.folder} holds a sweep with other {' and '.join(changed)}; give this "
                    "one another name, or delete that folder"
                )
        elif used:
            raise ValueError(
                f"{self.folder} holds runs that belong to no sweep; give the sweep another name"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(file, self.spec.as_dict())

    def run(self):
        """Train until all trials are over, here or elsewhere.

        A first Ctrl-C (or SIGTERM, SIGUSR1) has the trainings stop after their step and keep their
        state, so that the same command goes on with them; it then raises KeyboardInterrupt.

        Raises
        ------
        RuntimeError
            The first trials all failed, or one finished without the metric.
        """
        before = {one: signal.signal(one, self._terminated) for one in SIGNALS}
        try:
            self._work()
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _work(self):
        while True:
            self._see_who_is_through()
            while len(self._running) < self.spec.jobs:
                trial = self._next()
                if trial is None:
                    break
                self._start(trial)
            if not self._running:
                return
            time.sleep(0.05)

    def _next(self):
        """Take the next trial that is free or was broken off; None if there is none."""
        for number in range(1, self.spec.trials + 1):
            if number in self._tried or number in self._over:
                continue
            before = self.trials.latest(number)
            if before is None:
                self.sampler.tell(self.trials.all())
                parameters, facts = self.sampler.ask(number)
            elif before.status in BROKEN_OFF:
                parameters = before.parameters
                facts = {key: before.told[key] for key in ("optuna",) if key in before.told}
            else:
                if before.status != "running":
                    self._over.add(number)
                continue
            taken = self.trials.take(number, parameters, before, **facts)
            if taken is not None:
                self._tried.add(number)
                return taken
        return None

    def _start(self, trial):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.spec.jobs > 1 and not any(name in os.environ for name in THREADS):
            each = str(max(1, _cores() // self.spec.jobs))
            environment |= dict.fromkeys(THREADS, each)
        # -P: a module in the present folder, numpy.py say, takes the place of no package
        command = [sys.executable, "-P", "-m", "firstlight.tools.sweeps.worker", str(trial.path)]
        command += ["--trust"] if self.trusted else []
        trial.log.unlink(missing_ok=True)  # it may be a link to somewhere else
        with open(trial.log, "w", opener=no_link) as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self._running[process] = trial.number

    def _see_who_is_through(self):
        for process in [process for process in self._running if process.poll() is not None]:
            trial = self.trials.latest(self._running.pop(process))
            silent = trial.status in ("crashed", "running")  # it ended before it could say why
            if process.returncode == 1 and silent:
                note(trial.path, error=_last_line(trial.log))
                trial = self.trials.latest(trial.number)
            self.told(trial)
            self._succeeded |= trial.status in ("finished", "pruned")
            self._check_metric(trial)
            self._failed += [trial] if trial.status == "failed" else []
            self._give_up_if_hopeless()
        self.sampler.tell(self.trials.all())

    def _check_metric(self, trial):
        if trial.status != "finished" or trial.value(self.spec.metric, self.spec.mode) is not None:
            return
        there = [name for name in trial.run.metrics if not name.startswith("train_")]
        close = difflib.get_close_matches(self.spec.metric, there, n=1)
        self._stop()
        raise RuntimeError(
            f"trial {trial.number} has finished and logged no {self.spec.metric}; "
            + (f"did you mean {close[0]}?" if close else f"there are {', '.join(there)}")
        )

    def _give_up_if_hopeless(self):
        if not self._succeeded and len(self._failed) >= HOPELESS:
            last = self._failed[-1]
            self._stop()
            raise RuntimeError(
                f"the first {len(self._failed)} trials failed, the last one with {last.error}; "
                f"its output: {last.log}"
            )

    def _stop(self):
        """Have all trainings stop after their step, and wait for them."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            process.wait()

    @staticmethod
    def _terminated(_number, _frame):
        raise KeyboardInterrupt


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _last_line(path):
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no output")
