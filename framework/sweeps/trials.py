"""Trials: who has taken which, and how they stand; files that only one process can make."""

import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from firstlight.files import write_json
from firstlight.processes import alive
from firstlight.runs.folder import RunFolder

GIVEN_UP = 60.0  # seconds after which a trial without a run is taken for dead, on another machine
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
        for path in sorted(self.path.glob("*.*.json"), key=_numbers):
            latest[_numbers(path)[0]] = path
        return [trial for trial in map(self._read, latest.values()) if trial is not None]

    def latest(self, number):
        """Return the latest attempt at a trial, or None."""
        paths = sorted(self.path.glob(f"{number:04}.*.json"), key=_numbers)
        return self._read(paths[-1]) if paths else None

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
        goes_on = before is not None and before.run is not None and before.run.checkpoints_there
        content = {
            "number": number,
            "attempt": attempt,
            "parameters": parameters,
            "run": None,
            "resume": before.run.id if goes_on else None,
            "pid": os.getpid(),
            "hostname": platform.node(),
            **told,
        }
        path = self.path / f"{number:04}.{attempt}.json"
        handle, name = tempfile.mkstemp(prefix=".", suffix=".taking", dir=self.path)
        os.close(handle)
        try:
            write_json(name, content)
            os.link(name, path)  # whole from the start, and fails where the file is there already
        except FileExistsError:
            return None
        finally:
            os.unlink(name)
        return self._read(path)

    def _read(self, path):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        run, status = None, None
        if told["run"] is not None:
            try:
                run = RunFolder(self.folder / told["run"])
            except FileNotFoundError:
                status = "deleted"
        status = status or _status(told, run, path)
        return Trial(told["number"], told["attempt"], told["parameters"], path, run, status, told)


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
    if told["hostname"] == platform.node() and told["pid"] != os.getpid():
        return "running" if alive(told["pid"]) else "crashed"
    return "running" if time.time() - path.stat().st_mtime < GIVEN_UP else "crashed"


def _numbers(path):
    number, attempt, _ = path.name.split(".")
    return int(number), int(attempt)
