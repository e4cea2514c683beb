"""Changes between two runs, line by line: settings, machine and packages, code."""

import difflib
import subprocess

from firstlight.runs.compare import settings
from firstlight.runs.query import flat
from firstlight.runs.run import PATCH

PASSING = ("command", "cwd", "seed")  # of the environment: told by the settings, or unimportant


def changed(one, other):
    """Return ``{name: (before, after)}`` of two flat dicts; None for what one of them lacks."""
    names = dict.fromkeys([*one, *other])
    return {n: (one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)}


def settings_changed(one, other):
    """Return the settings in which two `RunFolder` differ, as `changed` does."""
    return changed(settings(one), settings(other))


def environment_changed(one, other):
    """Return what differs in machine, packages and code version, as `changed` does."""
    kept = ({n: v for n, v in run.environment.items() if n not in PASSING} for run in (one, other))
    return changed(*(flat(environment) for environment in kept))


def code_changed(one, other):
    """Return how the code of two runs differs, as the lines of a diff.

    Between commits by git, where this is their repository; and what was not committed, from both
    runs' ``diff.patch``.
    """
    commits = [(run.environment.get("git") or {}).get("commit") for run in (one, other)]
    lines = []
    if None not in commits and commits[0] != commits[1]:
        lines += _git_diff(*commits)
    patches = [_patch(run) for run in (one, other)]
    names = [f"{run.label}/{PATCH}" for run in (one, other)]
    lines += difflib.unified_diff(*patches, *names, lineterm="")
    return lines


def _patch(run):
    try:
        return (run.path / PATCH).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _git_diff(one, other):
    command = ["git", "diff", "--no-color", "--no-ext-diff", "--no-textconv", one, other, "--"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return [f"# the commits cannot be compared here; in their repository: {' '.join(command)}"]
    return done.stdout.splitlines()
