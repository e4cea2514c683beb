"""Trials: who has taken which, and how they stand; files that only one process can make."""

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from firstlight.runs.folder import RunFolder
from firstlight.runs.processes import alive, identity, machine
from firstlight.support.files import inside, strict, write_exclusively, write_json

GIVEN_UP = 60.0  # seconds after which a trial without a run is taken for dead, on another machine
FILE = re.compile(r"([0-9]{4,9})\.([0-9]{1,9})\.json")
BROKEN_OFF = ("crashed", "interrupted", "deleted")


@dataclass
class Trial:
    """One try at one combination of settings.

    Attributes
    ----------
    number, attempt : int
        From 1 on; attempt 2 goes on with what was broken off in attempt 1.
    parameters : dict
    path : pathlib.Path
        The file that says so.
    run : RunFolder or None
        None before the training has started.
    status : str
        As a run's, or "pruned", or "deleted" where the run's folder is gone.
    told : dict
        What else the file says: ``optuna``, ``error``.
    """

    number: int
    attempt: int
    parameters: dict
    path: Path
    run: RunFolder | None
    status: str
    told: dict

    @property
    def log(self):
        """The file with what the training printed."""
        return self.path.with_suffix(".log")

    @property
    def error(self):
        """What ended it, "" if nothing did."""
        return self.told.get("error") or (self.run.summary.get("error", "") if self.run else "")

    def value(self, metric, mode):
        """Return the best value of a metric, or None."""
        if self.run is None:
            return None
        try:
            return self.run.value(metric, "best", mode)
        except KeyError:
            return None


class Trials:
    """The trials of a sweep's folder.

    Parameters
    ----------
    folder : path-like
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "trials"

    def all(self):
        """Return the latest attempt of each trial, by number."""
        latest = {}
        for path in self._files():
            latest[_numbers(path)[0]] = path
        return [trial for trial in map(self._read, latest.values()) if trial is not None]

    def latest(self, number):
        """Return the latest attempt at a trial, or None."""
        paths = self._files(number)
        return self._read(paths[-1]) if paths else None

    def _files(self, number=None):
        """Return the files of all attempts, or of those at one trial, the latest last."""
        paths = [path for path in self.path.glob("*.*.json") if FILE.fullmatch(path.name)]
        return sorted((p for p in paths if number in (None, _numbers(p)[0])), key=_numbers)

    def take(self, number, parameters, before=None, **told):
        """Take a trial, or one that was broken off; None if another process was faster.

        Parameters
        ----------
        number : int
        parameters : dict
        before : Trial, optional
            The attempt that was broken off.
        **told
            Further facts for the file.

        Returns
        -------
        Trial or None
        """
        self.path.mkdir(parents=True, exist_ok=True)
        attempt = 1 if before is None else before.attempt + 1
        if before is None and (lost := self._files(number)):  # taken, and killed before it was told
            if abs(time.time() - lost[-1].stat().st_mtime) < GIVEN_UP:
                return None
            attempt = _numbers(lost[-1])[1] + 1
        goes_on = before is not None and before.run is not None and before.run.resumable
        content = {
            "number": number,
            "attempt": attempt,
            "parameters": parameters,
            "run": None,
            "resume": before.run.id if goes_on else None,
            **identity(),
            **told,
        }
        path = self.path / f"{number:04}.{attempt}.json"
        if not write_exclusively(path, json.dumps(strict(content), indent=2, default=str) + "\n"):
            return None
        return self._read(path)

    def _read(self, path):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            name, parameters = told["run"], dict(told["parameters"])
            folder = None if name is None else inside(self.folder, name)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        run, status, (number, attempt) = None, None, _numbers(path)
        if folder is not None:
            try:
                run = RunFolder(folder)
            except FileNotFoundError:
                status = "deleted"
        status = status or _status(told, run, path)
        return Trial(number, attempt, parameters, path, run, status, told)


def note(path, **facts):
    """Write further facts into a trial's file."""
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    write_json(path, told | facts)


def _status(told, run, path):
    if told.get("error"):
        return "failed"
    if run is not None:
        if run.status == "finished" and str(run.summary.get("stopped")).startswith("pruned"):
            return "pruned"
        return run.status
    if told.get("machine") == machine() and told.get("pid") != os.getpid():
        return "running" if alive(told.get("pid"), told.get("process_started")) else "crashed"
    silent = abs(time.time() - path.stat().st_mtime)  # a time in the future: a clock was ahead
    return "running" if silent < GIVEN_UP else "crashed"


def _numbers(path):
    """Return the numbers of the trial and the attempt that a file is of."""
    number, attempt = FILE.fullmatch(path.name).groups()
    return int(number), int(attempt)
