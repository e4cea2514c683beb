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
    here = summary.get("hostname") == platform.node()
    if here and not _alive(summary.get("pid", 0), run):
        return "crashed"
    return "crashed" if silence(run) > HEARTBEATS_MISSED * HEARTBEAT else "running"


def silence(run):
    """Return the seconds since a run's last sign of life."""
    try:
        return max(0.0, time.time() - (Path(run) / "summary.json").stat().st_mtime)
    except OSError:
        return float("inf")


def _alive(pid, run):
    if pid == os.getpid():  # ours, or, in a container, one that had the same number before
        return Path(run).resolve() in active
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
