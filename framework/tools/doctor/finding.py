"""Finding: one fact about the environment, with its state; used by every group of checks."""

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

OK, WARNING, FAULT = "ok", "warning", "fault"


@dataclass
class Finding:
    """One fact about the environment.

    Attributes
    ----------
    subject : str
        What was examined, e.g. "CuPy".
    state : {"ok", "warning", "fault"}
        A fault makes trainings fail, lose data or compute on the wrong machine; a warning makes
        them slower, or may do so.
    found : str
        The fact.
    kind : str
        Name of the problem for programs, e.g. "cupy-twice"; "" if the state is ok.
    why, cure : str
        Why the problem matters, and what to do.
    group : str
        Name of the group of checks.
    """

    subject: str
    state: str
    found: str
    kind: str = ""
    why: str = ""
    cure: str = ""
    group: str = ""


def ok(subject: str, found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(subject, OK, found)


def warning(subject: str, kind: str, found: str, why: str, cure: str) -> Finding:
    """Return a finding about something slow, or that may fail later."""
    return Finding(subject, WARNING, found, kind, why, cure)


def fault(subject: str, kind: str, found: str, why: str, cure: str) -> Finding:
    """Return a finding about something that fails."""
    return Finding(subject, FAULT, found, kind, why, cure)


@dataclass
class Place:
    """What the checks examine.

    Attributes
    ----------
    here : Path
        The working folder.
    runs_dir : Path
        The folder that keeps the runs.
    system : Path
        The root of ``/proc`` and ``/sys``.
    """

    here: Path = field(default_factory=Path.cwd)
    runs_dir: Path = Path("runs")
    system: Path = Path(os.sep)

    def read(self, path: str) -> str:
        """Return the text of a file of the system, "" if there is none."""
        try:
            return (self.system / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def is_set(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether an environment variable is set and not 0."""
    return environment.get(name, "0") not in ("", "0")


def numpy_works() -> bool:
    """Return whether NumPy can be imported; if not, the group `numerics` says so."""
    try:
        importlib.import_module("numpy")
    except Exception:
        return False
    return True


def gigabytes(count: float) -> str:
    """Return a number of bytes as text.

    Examples
    --------
    >>> from firstlight.tools.doctor.finding import gigabytes
    >>> gigabytes(79_473_720_000), gigabytes(12_500_000)
    ('79.5 GB', '12.5 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
