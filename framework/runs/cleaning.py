"""Cleaning: delete runs, and find those that nobody will miss."""

import contextlib
import shutil
from pathlib import Path

from firstlight.runs.find import list_runs, run_paths
from firstlight.runs.run_ids import LATEST, latest_run
from firstlight.support.files import is_temporary, write_atomically


def size(path):
    """Return the bytes of all files in a folder, or of a file."""
    path = Path(path)
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def remove(runs, runs_dir):
    """Delete runs, and the folders that are empty then; ``latest`` names the newest of the rest.

    Parameters
    ----------
    runs : list of RunFolder
    runs_dir : path-like

    Raises
    ------
    ValueError
        One of them is still running, or does not lie in ``runs_dir``; nothing is deleted then.
    """
    check_removable(runs, runs_dir)
    for run in runs:
        shutil.rmtree(run.path)
        with contextlib.suppress(OSError):  # there are others in it
            run.path.parent.rmdir()
    latest = Path(runs_dir) / LATEST
    if not latest.is_file() or latest_run(runs_dir) is not None:
        return
    rest = run_paths(runs_dir)
    if rest:
        write_atomically(latest, f"{rest[-1].relative_to(runs_dir)}\n")
    else:
        latest.unlink()


def check_removable(runs, runs_dir):
    """Raise a ValueError unless all are runs of ``runs_dir`` that have ended; see `remove`."""
    place = Path(runs_dir).resolve()
    for run in runs:
        if run.path.is_symlink():
            raise ValueError(link_refused(run.path))
        if run.path.resolve().parent.parent != place:
            raise ValueError(
                f"{run.path} is not a run of {place}, and only those are deleted; "
                "say where it is kept with --runs_dir"
            )
        if run.status == "running":
            raise ValueError(f"{run.label} is still running; stop it first")


def link_refused(path):
    """Return why a link to a run is not deleted."""
    return (
        f"{path} is a link to {path.resolve()}, and what links lead to is not deleted; name that "
        f"run itself, or remove the link as a file"
    )


def worthless(runs_dir, failed=False):
    """Return runs that ended badly before the first step or checkpoint, and temporary files.

    Runs with a tag or a note are never among them, nor those that still run.

    Parameters
    ----------
    runs_dir : path-like
    failed : bool
        All failed and crashed runs, with checkpoints too.

    Returns
    -------
    (list of RunFolder, list of pathlib.Path)
    """
    runs, files = [], []
    for run in list_runs(runs_dir):
        if run.status == "running":
            continue
        nothing = not run.checkpoints_there or run.place["step"] == 0
        lost = nothing and run.status != "finished"
        if (lost or (failed and run.status in ("failed", "crashed"))) and not (
            run.tags or run.note
        ):
            runs.append(run)
        else:
            files += [file for file in run.path.rglob(".*") if is_temporary(file)]
    return runs, files
