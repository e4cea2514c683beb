"""Find runs: create and sort their folders, and resolve names of runs."""

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from firstlight.runs.folder import RunFolder
from firstlight.runs.listing import RunList
from firstlight.runs.query import Condition, sorted_by
from firstlight.support.files import PathLike, inside, write_atomically

SECOND = len("2026-01-31_23-59-59")  # length of the time at the start of a run's id
ID = re.compile(  # a run's folder; ids of earlier versions have no number
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}(Z_(?P<number>[0-9]{1,9}))?_[0-9a-f]{4}"
)
LATEST = "latest"  # the file in a runs folder that names its newest run


def make_folder(runs_dir: Path, name: str) -> Path:
    """Create and return the folder of a new run; mkdir succeeds in only one process."""
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


def start_order(run: Path) -> tuple[int, str, int]:
    """Return a key that sorts runs' folders by start.

    The number in an id counts the runs of a folder, so that the order does not depend on a wrong
    clock. Ids of earlier versions have local times and no number, and come first. If two runs
    started at the same time have the same number, the time of their settings decides.
    """
    found = ID.fullmatch(run.name)
    number = int(found["number"] or 0) if found else 0
    try:
        written = (run / "config.json").stat().st_mtime_ns
    except OSError:
        written = 0
    return number, run.name[:SECOND], written


def latest_run(runs_dir: PathLike) -> Path | None:
    """Return the folder of the newest run, or None if there is none."""
    try:
        name = (Path(runs_dir) / LATEST).read_text(encoding="utf-8").strip()
        path = inside(runs_dir, name)
    except (OSError, ValueError):
        return None
    return path if path.is_dir() else None


def point_latest(runs_dir: PathLike, run: Path) -> None:
    """Write the name of the newest run to ``runs/latest``.

    It is a file, as TensorBoard would follow a link to the folder and show the run twice.
    """
    write_atomically(Path(runs_dir) / LATEST, f"{run.parent.name}/{run.name}\n")


def run_paths(runs_dir: PathLike = "runs") -> list[Path]:
    """Return the folders of all runs below ``runs_dir``, the oldest first.

    ``runs_dir`` may be a run, a folder of runs, or a folder of such folders (``<name>/<id>``).
    """
    found, below = [], [Path(runs_dir).expanduser()]
    for _ in range(3):
        is_run = [os.path.isfile(path / "config.json") for path in below]  # False if unreadable
        found += [path for path, run in zip(below, is_run, strict=True) if run]
        inner = [path for path, run in zip(below, is_run, strict=True) if not run]
        below = [child for path in inner for child in _folders(path)]
    return sorted(found, key=start_order)


def list_runs(
    runs_dir: PathLike = "runs", where: str | None = None, sort: str | None = None
) -> RunList:
    """Return all runs below a folder, the oldest first unless sorted otherwise.

    Parameters
    ----------
    runs_dir : path-like
    where : str, optional
        Condition on the runs, e.g. ``"val_acc > 0.9 and model.lr < 0.1"``; see
        `firstlight.runs.query`.
    sort : str, optional
        A name as in ``where``, ascending, or descending if it begins with ``-``. Runs without it
        come last.

    Returns
    -------
    RunList
        A list of `RunFolder`, which a notebook shows as a table.

    Raises
    ------
    ValueError
        ``where`` or ``sort`` is invalid.
    """
    runs = [RunFolder(path) for path in run_paths(runs_dir)]
    if where is not None:
        runs = Condition(where).keep(runs)
    return RunList(runs if sort is None else sorted_by(sort, runs))


def find_run(name: PathLike | None = None, runs_dir: PathLike = "runs") -> RunFolder:
    """Return the `RunFolder` of a name.

    Parameters
    ----------
    name : path-like, optional
        A path, or a name below ``runs_dir``: ``latest``, ``name`` (for its newest run),
        ``name/id``, an id, or the end of an id, also as ``name/end``; the latest run by default.
    runs_dir : path-like

    Raises
    ------
    FileNotFoundError
        There is no such run; the message names the newest ones.
    """
    runs_dir = Path(runs_dir).expanduser()
    if name is None or Path(name).name == LATEST:
        place = runs_dir if name is None else Path(name).parent
        found = [latest_run(place), latest_run(runs_dir), *run_paths(runs_dir)[-1:]]
    else:
        found = [path for place in (Path(name), runs_dir / name) for path in run_paths(place)[-1:]]
        if not found:
            folder, end = str(Path(name).parent), Path(name).name
            every = [p for p in run_paths(runs_dir) if folder in (".", p.parent.name)]
            found = [p for p in every if p.name == end or p.name.endswith(f"_{end}")][-1:]
    for folder in filter(None, found):
        return RunFolder(folder.resolve())
    if name is not None and Path(name).is_dir():
        raise FileNotFoundError(f"{name} is no run: it has no config.json, nor a folder that has")
    every = run_paths(runs_dir)
    if not every:
        where = "" if name is None else f" {name}"
        raise FileNotFoundError(f"no run{where} in {runs_dir}; make one with: firstlight fit")
    newest = ", ".join(str(path.relative_to(runs_dir)) for path in every[:-4:-1])
    raise FileNotFoundError(f"no run {name} in {runs_dir}; the newest are: {newest}")


def _folders(path):
    """Return the folders in a folder; unreadable ones are skipped."""
    try:
        with os.scandir(path) as entries:
            found = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    return [path for path in found if os.path.isdir(path)]
