"""Run all groups of checks: light ones in threads, those that may crash or hang in processes."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firstlight.support.files import PathLike
from firstlight.tools.doctor.finding import FAULT, OK, WARNING, Finding, Place, fault

PATIENCE = 30.0  # seconds until a group counts as hanging; all groups take 1 to 2 s
# Groups that import compiled packages or code of others, or start drivers: those of a line share a
# child process. The others run in threads.
PROCESSES = (("numerics",), ("plugin_packages", "data_files"), ("gpu",), ("mpi",))
GROUPS = (
    *("interpreter", "packages", "installation", "numerics", "limits", "gpu", "mpi", "folders"),
    *("data_files", "plugin_packages", "network", "notebooks", "cluster"),
)
CONSEQUENCES = {"data_files-broken", "plugin_packages-broken"}  # of a NumPy that is broken
MARK = "findings of firstlight doctor: "  # what imports print goes before it
CHILDREN = {
    "PYTHONIOENCODING": "utf-8",
    "FIRSTLIGHT_STRICT_PLUGINS": "0",
    "PYTHONFAULTHANDLER": "1",  # tells the file in which a process crashes
}
CHILD = "import sys; from firstlight.tools.doctor.examination import report; report(*sys.argv[1:])"


@dataclass
class Examination:
    """The findings of all groups.

    Attributes
    ----------
    findings : list of Finding
    seconds : float
    """

    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, state: str) -> list[Finding]:
        """Return the findings of a state."""
        return [one for one in self.findings if one.state == state]

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.of(FAULT)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists for JSON."""
        return {
            "ok": self.ok,
            "faults": len(self.of(FAULT)),
            "warnings": len(self.of(WARNING)),
            "seconds": round(self.seconds, 2),
            "findings": [asdict(one) for one in self.findings],
        }


def examine(
    runs_dir: PathLike = "runs", groups: Iterable[str] = GROUPS, *, patience: float = PATIENCE
) -> Examination:
    """Examine the environment.

    Parameters
    ----------
    runs_dir : path-like
        The folder that keeps the runs.
    groups : iterable of str
        Names of groups, see `GROUPS`.
    patience : float
        Seconds until a group that does not answer is reported as a fault.

    Returns
    -------
    Examination

    Examples
    --------
    >>> from firstlight.tools.doctor import examine
    >>> [finding.subject for finding in examine(groups=["interpreter"]).findings][:1]
    ['Python']
    """
    began, place = time.monotonic(), Place(runs_dir=Path(runs_dir))
    chosen = list(groups)
    shared = [[name for name in names if name in chosen] for names in PROCESSES]
    waiting: dict[str, Any] = {}
    for names in filter(None, shared):
        waiting |= dict.fromkeys(names, _Child(names, place))
    waiting |= {name: _Thread(name, place) for name in chosen if name not in waiting}
    found = Examination()
    for name in chosen:
        left = max(0.0, began + patience - time.monotonic())
        for one in waiting[name].findings(name, left):
            one.group = name
            found.findings.append(one)
    if {"numpy-broken", "numerics-broken"} & {one.kind for one in found.findings}:
        found.findings = [one for one in found.findings if one.kind not in CONSEQUENCES]
    found.seconds = time.monotonic() - began
    return found


def checks(name: str, place: Place) -> list[Finding]:
    """Return the findings of one group; a check that fails itself is a fault."""
    examined: Callable[[Place], Iterator[Finding]]
    examined = importlib.import_module(f"firstlight.tools.doctor.{name}").examine
    found = []
    try:
        for one in examined(place):
            found.append(one)
    except Exception as error:  # of a package that is examined, or of a check
        found.append(_broken(name, f"{type(error).__name__}: {error}"))
    return found


def report(runs_dir: str, *names: str) -> None:
    """Print the findings of each group as JSON; what a child process runs."""
    for name in names:
        found = checks(name, Place(runs_dir=Path(runs_dir)))
        print(MARK + json.dumps([name, [asdict(one) for one in found]]), flush=True)
    os._exit(0)  # MPI and drivers would clean up, which may hang


class _Thread:
    """A group that runs in a thread: a file system that does not answer blocks only that."""

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place, self.found = name, place, None
        self.thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self.thread.start()

    def _run(self):
        self.found = checks(self.name, self.place)

    def findings(self, name: str, seconds: float) -> list[Finding]:
        """Wait for the findings."""
        self.thread.join(seconds)
        return [_hanging(name)] if self.found is None else self.found


class _Child:
    """Groups that run in a child process, which may crash or be killed."""

    def __init__(self, names: list[str], place: Place) -> None:
        # -P: modules in the working folder are reported, not imported.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD, str(place.runs_dir), *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **CHILDREN},
        )
        self.found: dict[str, list[Finding]] | None = None
        self.end = ""

    def findings(self, name: str, seconds: float) -> list[Finding]:
        """Wait for the findings of a group."""
        if self.found is None:
            try:
                printed, errors = self.process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                printed, errors, self.end = "", "", "hangs"
                self.process.kill()
                with suppress(subprocess.TimeoutExpired):  # a driver may hold it
                    self.process.communicate(timeout=1.0)
            self._read(printed, errors)
        if name in self.found:
            return self.found[name]
        return [_hanging(name) if self.end == "hangs" else _broken(name, self.end)]

    def _read(self, printed, errors):
        self.found = {}
        for part in printed.split(MARK)[1:]:
            with suppress(ValueError):  # the process was killed while it wrote
                name, rows = json.JSONDecoder().raw_decode(part)[0]
                self.found[name] = [Finding(**row) for row in rows]
        code = self.process.returncode or 0
        told = errors.strip().splitlines()[-1:] or ["it printed nothing"]
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {_signal(-code)}"
            told = re.findall(r'^  (File "[^<].*)', errors, re.MULTILINE) or told
        self.end = self.end or f"its process {how}: {told[0]}"


def _signal(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _broken(name, how):
    return fault(
        name,
        f"{name}-broken",
        f"the examination itself failed: {how}",
        "a training that uses the same packages would probably fail in the same way",
        "the message names the package or file; install the package again, or remove the file",
    )


def _hanging(name):
    return fault(
        name,
        f"{name}-hangs",
        "the examination has not ended in time",
        "a file system, a driver or a service does not answer; a training would wait for it, too",
        "try again; if it hangs again, ask the administrator about network drives, GPUs and Slurm",
    )


def summary(found: Examination) -> str:
    """Return one line about an examination."""
    faults, warnings = len(found.of(FAULT)), len(found.of(WARNING))
    counts = [
        f"{faults} fault{'s' * (faults != 1)}" if faults else "no fault",
        f"{warnings} warning{'s' * (warnings != 1)}" if warnings else "no warning",
        f"{len(found.of(OK))} ok",
    ]
    return f"{', '.join(counts)} ({found.seconds:.1f} s)"
