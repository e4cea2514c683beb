"""Find runs: all below a folder, or the one that a name means."""

import os
from pathlib import Path

from firstlight.runs.folder import RunFolder
from firstlight.runs.run_ids import LATEST, latest_run, start_order


def run_paths(runs_dir="runs"):
    """Return the folders of all runs below ``runs_dir``, the oldest first.

    It may be a single run, or hold runs, or hold folders of runs, as ``runs/<name>/<id>``.
    """
    found, below = [], [Path(runs_dir).expanduser()]
    for _ in range(3):
        is_run = [os.path.isfile(path / "config.json") for path in below]  # False if unreadable
        found += [path for path, run in zip(below, is_run, strict=True) if run]
        inner = [path for path, run in zip(below, is_run, strict=True) if not run]
        below = [child for path in inner for child in _folders(path)]
    return sorted(found, key=start_order)


def list_runs(runs_dir="runs", where=None, sort=None):
    """Return all runs below a folder, the oldest first unless sorted otherwise.

    Parameters
    ----------
    runs_dir : path-like
    where : str, optional
        Keep those of which this is true, e.g. ``"val_acc > 0.9 and model.lr < 0.1"``; see
        `firstlight.runs.query`.
    sort : str, optional
        A name as in ``where``: the smallest first, or with a ``-`` before it the largest. Runs
        that lack it come last.

    Returns
    -------
    list of RunFolder

    Raises
    ------
    ValueError
        ``where`` or ``sort`` cannot be understood.
    """
    from firstlight.runs.query import condition, sorted_by

    runs = [RunFolder(path) for path in run_paths(runs_dir)]
    if where is not None:
        runs = condition(where).keep(runs)
    return runs if sort is None else sorted_by(sort, runs)


def find_run(name=None, runs_dir="runs"):
    """Return the `RunFolder` that a name means.

    Parameters
    ----------
    name : path-like, optional
        A path, or what stands below ``runs_dir``: ``latest``, ``name``, ``name/id``, or an id or
        its end; of a name alone it is the newest run, of None the latest.
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
        if not found and os.sep not in str(name):
            ends = f"_{name}"
            found = [
                p for p in run_paths(runs_dir) if p.name == str(name) or p.name.endswith(ends)
            ][-1:]
    for folder in filter(None, found):
        return RunFolder(folder.resolve())
    every = run_paths(runs_dir)
    if not every:
        where = "" if name is None else f" {name}"
        raise FileNotFoundError(f"no run{where} in {runs_dir}; make one with: firstlight fit")
    newest = ", ".join(str(path.relative_to(runs_dir)) for path in every[:-4:-1])
    raise FileNotFoundError(f"no run {name} in {runs_dir}; the newest are: {newest}")


def _folders(path):
    """Return the folders in a folder; what cannot be looked at hides no other."""
    try:
        with os.scandir(path) as entries:
            found = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    return [path for path in found if os.path.isdir(path)]
