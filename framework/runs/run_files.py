"""Read and check the JSON files of a run's folder; write tags and notes.

The files may be damaged or come from another user. Values of an unexpected type are dropped, so
that other runs can still be listed.
"""

import json
import platform
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firstlight.runs.claims import is_occupied, is_silent
from firstlight.runs.processes import alive
from firstlight.runs.records import NOT_FINITE
from firstlight.support.files import PathLike, write_json

STATUSES = ("running", "finished", "interrupted", "failed", "crashed")
TEXTS = ("name", "id", "started", "ended", "stopped", "error", "stage", "hostname", "owner")
COUNTS = ("steps", "epochs", "duration_s", "pid", "ranks")
MARKS = "marks.json"  # a separate file, as a running training replaces summary.json


def read_dict(path: PathLike) -> dict[str, Any]:
    """Return the dict in a JSON file; {} if it is missing or damaged."""
    try:
        return _as_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}


def read_summary(run: PathLike) -> dict[str, Any]:
    """Return the dict in a run's ``summary.json``, without values of unexpected type."""
    found = read_dict(Path(run) / "summary.json")
    summary = {n: value for n, value in found.items() if n not in (*TEXTS, *COUNTS, "status")}
    summary |= {n: found[n] for n in TEXTS if isinstance(found.get(n), str)}
    summary |= {n: found[n] for n in COUNTS if _is_number(found.get(n))}
    if found.get("status") in STATUSES:
        summary["status"] = found["status"]
    summary |= {
        n: _numbers(found[n]) for n in ("metrics", "time_shares", "resources") if n in found
    }
    if "best" in found:
        best = {n: _numbers(place) for n, place in _as_dict(found["best"]).items()}
        places = {"value", "step", "epoch"}
        summary["best"] = {n: place for n, place in best.items() if places <= set(place)}
    if "resumed" in found:
        resumed = found["resumed"] if isinstance(found["resumed"], list) else []
        summary["resumed"] = [r for r in resumed if isinstance(_as_dict(r).get("time"), str)]
    return summary


def read_environment(run: PathLike) -> dict[str, Any]:
    """Return the dict in a run's ``environment.json``, without values of unexpected type."""
    found = read_dict(Path(run) / "environment.json")
    git, command, blas = (found.get(name) for name in ("git", "command", "blas"))
    sound = {
        # A commit becomes an argument of git; one that begins with a dash would be an option.
        "git": bool(re.fullmatch("[0-9a-f]{7,64}", str(_as_dict(git).get("commit")))),
        "packages": isinstance(found.get("packages"), dict),
        "gpu": {"name", "memory_gb", "cuda", "driver"} <= set(_as_dict(found.get("gpu"))),
        "command": isinstance(command, list) and all(isinstance(word, str) for word in command),
        "blas": isinstance(blas, str)
        or (isinstance(blas, list) and all(isinstance(one, dict) for one in blas)),
    }
    return {name: value for name, value in found.items() if sound.get(name, True)}


def read_status(run: PathLike, summary: dict[str, Any] | None = None) -> str:
    """Return the status of a run; "crashed" if its status is "running" and no process owns it.

    Parameters
    ----------
    run : path-like
    summary : dict, optional
        The result of `read_summary`, if it was read already.

    Returns
    -------
    str
        "running", "finished", "interrupted", "failed" or "crashed".
    """
    summary = read_summary(run) if summary is None else summary
    status = summary.get("status", "crashed")
    if status != "running":
        return status
    occupied = is_occupied(run)
    if occupied is None and "owner" not in summary:  # earlier versions stored the process here
        here = summary.get("hostname") == platform.node()
        occupied = not is_silent(_silence(run)) and (not here or alive(summary.get("pid")))
    return "running" if occupied else "crashed"


def read_marks(run: PathLike) -> dict[str, Any]:
    """Return ``{"tags": [...], "note": "..."}`` of a run's folder; empty if it has none."""
    found = read_dict(Path(run) / MARKS)
    tags, note = found.get("tags"), found.get("note")
    return {
        "tags": list(map(str, tags)) if isinstance(tags, list) else [],
        "note": note if isinstance(note, str) else "",
    }


def tag(run: PathLike, add: Iterable[str] = (), remove: Iterable[str] = ()) -> list[str]:
    """Add tags to a run, remove others, and return its tags.

    Raises
    ------
    ValueError
        A tag is not a single word.
    """
    for word in add:
        if not re.fullmatch(r"[\w.+=-]+", word):
            raise ValueError(f"tag: expected letters, digits and . _ + = -, got {word!r}")
    marks = read_marks(run)
    marks["tags"] = [t for t in dict.fromkeys([*marks["tags"], *add]) if t not in remove]
    write_json(Path(run) / MARKS, marks)
    return marks["tags"]


def note(run: PathLike, text: str) -> None:
    """Replace the note of a run; "" removes it."""
    write_json(Path(run) / MARKS, read_marks(run) | {"note": text})


def _numbers(values):
    """Return the numbers in a dict; "NaN" and infinities are converted from text."""
    flat = {n: v for n, v in _as_dict(values).items() if not isinstance(v, (dict, list))}
    converted = {n: NOT_FINITE.get(value, value) for n, value in flat.items()}
    return {n: value for n, value in converted.items() if _is_number(value)}


def _is_number(value):
    return isinstance(value, (int, float))


def _as_dict(value):
    return value if isinstance(value, dict) else {}


def _silence(run):
    """Return the seconds since a run of an earlier version last wrote its summary."""
    try:
        return time.time() - (Path(run) / "summary.json").stat().st_mtime
    except OSError:
        return float("inf")
