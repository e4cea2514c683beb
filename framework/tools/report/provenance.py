"""Provenance of a run: its times, its machine and packages, and the commands to reproduce it."""

import importlib.metadata
import re
import shlex

import numpy as np

from firstlight.runs import RunFolder, machine_rows
from firstlight.runs.system import resource_texts
from firstlight.tools.language import say


def duration(seconds: float) -> str:
    """Return seconds as text, e.g. ``2 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def timing(run: RunFolder) -> list[tuple[str, str]]:
    """Return ``[(name, text)]`` of times, rates, hours, energy, and shares of the time."""
    rows = [("in all", duration(run.place["time"]))] if run.place["time"] else []
    if run.summary.get("stopped"):
        rows.append(("stopped", run.summary["stopped"]))
    if "epoch_seconds" in run.history:
        rows.append(("epoch", duration(float(np.median(run.history["epoch_seconds"])))))
    for name in ("samples_per_second", "ms_per_step"):
        if name in run.history:
            rows.append((name.replace("_", " "), f"{np.median(run.history[name]):,.4g}"))
    rows += resource_texts(run.resources)
    shares = run.summary.get("time_shares", {})
    rows += [(part, f"{share:.1%}") for part, share in shares.items() if share >= 0.001]
    return [(say(name), value) for name, value in rows]


def environment(run: RunFolder) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return ``[(name, text)]`` of machine and dependencies, and of the other packages."""
    rows = [(say(name), text) for name, text in machine_rows(run.environment)]
    listed = {name for name, _ in rows}
    packages = run.environment.get("packages") or {}
    needed = [name for name in dependencies() if name in packages and name not in listed]
    rows += [(name, packages[name]) for name in needed]
    rows.append((say("started"), run.summary.get("started", "")))
    others = [(n, v) for n, v in packages.items() if n not in {*needed, *listed}]
    return [(name, str(value)) for name, value in rows if value], others


def dependencies() -> list[str]:
    """Return the names of the packages that firstlight needs."""
    lines = importlib.metadata.requires("firstlight") or []
    return [re.match(r"[\w.-]+", line)[0].lower() for line in lines if "extra ==" not in line]


def commands(run: RunFolder) -> list[str]:
    """Return the commands that reproduce a run: from its settings, or as it was started."""
    git = run.environment.get("git")
    lines = [f"git checkout {git['commit'][:12]}"] if git and not git.get("dirty") else []
    if not run.by_script:
        return [*lines, f"firstlight fit --config {run.path.parent.parent.name}/{run.label}"]
    command = run.environment.get("command", [])
    return [*lines, shlex.join(["python", *command])] if command else lines
