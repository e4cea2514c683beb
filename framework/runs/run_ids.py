"""Ids of runs: how a run's folder is named, and which is the newest."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from firstlight.support.files import inside, write_atomically

SECOND = len("2026-01-31_23-59-59")  # what a run's id begins with
ID = re.compile(  # a run's folder; the number is missing in those of earlier versions
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}(Z_(?P<number>[0-9]{1,9}))?_[0-9a-f]{4}"
)
LATEST = "latest"  # the file in a runs folder that names its newest run


def make_folder(runs_dir, name):
    """Make a folder that no other process can have made: mkdir fails where one exists."""
    parent = runs_dir / name
    known = [latest_run(runs_dir), *(parent.iterdir() if parent.is_dir() else ())]
    number = 1 + max((start_order(run)[0] for run in known if run is not None), default=0)
    while True:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%SZ")
        path = parent / f"{stamp}_{number:04}_{secrets.token_hex(2)}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not parent.is_dir():
                raise


def start_order(run):
    """Return a key that sorts runs' folders by when they were started.

    The number in an id counts the runs of a folder, so that a clock that was ahead changes
    nothing. Ids of earlier versions have local times and no number, and come first. Of two runs
    with one number, which were started at once, the later wrote its settings later.
    """
    found = ID.fullmatch(run.name)
    number = int(found["number"] or 0) if found else 0
    try:
        written = (run / "config.json").stat().st_mtime_ns
    except OSError:
        written = 0
    return number, run.name[:SECOND], written


def latest_run(runs_dir):
    """Return the folder of the newest run, or None where there is none."""
    try:
        name = (Path(runs_dir) / LATEST).read_text(encoding="utf-8").strip()
        path = inside(runs_dir, name)
    except (OSError, ValueError):
        return None
    return path if path.is_dir() else None


def point_latest(runs_dir, run):
    """Let ``runs/latest`` tell which run is the newest.

    A file, not a link to the folder: TensorBoard would follow a link and show the run twice.
    """
    write_atomically(Path(runs_dir) / LATEST, f"{run.parent.name}/{run.name}\n")
