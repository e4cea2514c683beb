"""Status: how a run stands, also of one that could not say so any more."""

import platform
import time
from pathlib import Path

from firstlight.runs.claims import occupied, silent
from firstlight.runs.processes import alive
from firstlight.runs.sound import read_dict, sound_summary


def read_summary(run):
    """Return the dict in a run's ``summary.json``, {} where there is none to be read."""
    return sound_summary(read_dict(Path(run) / "summary.json"))


def status(run, summary=None):
    """Return a run's status; "crashed" for one that says "running" and cannot be.

    No process owns it; see `firstlight.runs.owner`.

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
    there = occupied(run)
    if there is None and "owner" not in summary:  # of a version that noted the process here
        here = summary.get("hostname") == platform.node()
        there = not silent(_silence(run)) and (not here or alive(summary.get("pid")))
    return "running" if there else "crashed"


def _silence(run):
    """Return the seconds since a run of an earlier version last gave a sign of life."""
    try:
        return time.time() - (Path(run) / "summary.json").stat().st_mtime
    except OSError:
        return float("inf")
