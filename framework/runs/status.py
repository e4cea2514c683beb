"""Status: how a run stands, also of one that could not say so any more."""

import json
import os
import platform
import time
from pathlib import Path

from firstlight.run import HEARTBEAT, active

HEARTBEATS_MISSED = 12  # that a run is given up for dead after


def read_summary(run):
    """Return the dict in a run's ``summary.json``, {} where there is none to be read."""
    try:
        found = json.loads((Path(run) / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def status(run, summary=None):
    """Return a run's status; "crashed" for one that says "running" and cannot be.

    Its process is dead, or, on whatever machine it is, has given no sign of life for a minute.

    Parameters
    ----------
    run : path-like
    summary : dict, optional
        What `read_summary` returned, if it was read already.

    Returns
    -------
    str
        "running", "finished", "interrupted", "failed" or "crashed".
    """
    summary = read_summary(run) if summary is None else summary
    said = summary.get("status", "crashed")
    if said != "running":
        return said
    if summary.get("hostname") == platform.node():
        pid = summary.get("pid", 0)
        # Our own number may be that of a process before, in a container.
        there = Path(run).resolve() in active if pid == os.getpid() else alive(pid)
        if not there:
            return "crashed"
    return "crashed" if silence(run) > HEARTBEATS_MISSED * HEARTBEAT else "running"


def silence(run):
    """Return the seconds since a run's last sign of life."""
    try:
        return max(0.0, time.time() - (Path(run) / "summary.json").stat().st_mtime)
    except OSError:
        return float("inf")


def alive(pid):
    """Return whether a process of this machine is there, and not only waiting to be buried."""
    if pid <= 0:  # to the system: a group of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:  # Linux: "pid (name) state ..."; a killed process stays as Z until its parent asks
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True
