"""Sound: of what stands in a run's files, what is of the kind that it should be.

Files of a run may be damaged, or made by somebody else. What is not as it should be is left out, so
that one such run hides no other.
"""

import json
import re
from pathlib import Path

from firstlight.runs.records import NOT_FINITE

STATUSES = ("running", "finished", "interrupted", "failed", "crashed")
TEXTS = ("name", "id", "started", "ended", "stopped", "error", "stage", "hostname", "owner")
COUNTS = ("steps", "epochs", "duration_s", "pid", "ranks")


def read_dict(path):
    """Return the dict in a JSON file; {} where there is none to be read."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def sound_summary(found):
    """Return a summary without what is of another kind than `firstlight.runs.run` writes."""
    summary = {n: value for n, value in found.items() if n not in (*TEXTS, *COUNTS, "status")}
    summary |= {n: found[n] for n in TEXTS if isinstance(found.get(n), str)}
    summary |= {n: found[n] for n in COUNTS if is_number(found.get(n))}
    if found.get("status") in STATUSES:
        summary["status"] = found["status"]
    if "metrics" in found:
        summary["metrics"] = numbers(found["metrics"])
    if "time_shares" in found:
        summary["time_shares"] = numbers(found["time_shares"])
    if "best" in found:
        best = {n: numbers(place) for n, place in dict_of(found["best"]).items()}
        places = {"value", "step", "epoch"}
        summary["best"] = {n: place for n, place in best.items() if places <= set(place)}
    if "resumed" in found:
        resumed = found["resumed"] if isinstance(found["resumed"], list) else []
        summary["resumed"] = [r for r in resumed if isinstance(dict_of(r).get("time"), str)]
    return summary


def sound_environment(found):
    """Return an environment without what is of another kind than `firstlight.runs.run` writes."""
    git, command, blas = (found.get(name) for name in ("git", "command", "blas"))
    sound = {
        # A commit becomes an argument of git, which takes what begins with a dash for an option.
        "git": bool(re.fullmatch("[0-9a-f]{7,64}", str(dict_of(git).get("commit")))),
        "packages": isinstance(found.get("packages"), dict),
        "gpu": {"name", "memory_gb", "cuda", "driver"} <= set(dict_of(found.get("gpu"))),
        "command": isinstance(command, list) and all(isinstance(word, str) for word in command),
        "blas": isinstance(blas, str)
        or (isinstance(blas, list) and all(isinstance(one, dict) for one in blas)),
    }
    return {name: value for name, value in found.items() if sound.get(name, True)}


def numbers(values):
    """Return the numbers in a dict; texts such as "NaN" are those that they mean."""
    there = {n: NOT_FINITE.get(v, v) for n, v in dict_of(values).items() if not _is_nested(v)}
    return {n: value for n, value in there.items() if is_number(value)}


def is_number(value):
    """Return whether a value is one number."""
    return isinstance(value, (int, float))


def dict_of(value):
    """Return a value if it is a dict, or else an empty one."""
    return value if isinstance(value, dict) else {}


def _is_nested(value):
    return isinstance(value, (dict, list))
