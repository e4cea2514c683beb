"""Delete runs, and find those without results."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from firstlight.runs.find import LATEST, latest_run, list_runs, run_paths
from firstlight.runs.folder import RunFolder
from firstlight.support.files import PathLike, is_temporary, write_atomically


def size(path: PathLike) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    path = Path(path)
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def remove(runs: Sequence[RunFolder], runs_dir: PathLike) -> None:
    """Delete runs and folders that become empty; point ``latest`` to the newest remaining run.

    Parameters
    ----------
    runs : list of RunFolder
    runs_dir : path-like

    Raises
    ------
    ValueError
        One of them is still running, or is not in ``runs_dir``; nothing is deleted then.
    """
    check_removable(runs, runs_dir)
    for run in runs:
        shutil.rmtree(run.path)
        with contextlib.suppress(OSError):  # not empty
            run.path.parent.rmdir()
    latest = Path(runs_dir) / LATEST
    if latest.is_file() and latest_run(runs_dir) is None:
        rest = run_paths(runs_dir)
        if rest:
            write_atomically(latest, f"{rest[-1].relative_to(runs_dir)}\n")
        else:
            latest.unlink()


def check_removable(runs: Sequence[RunFolder], runs_dir: PathLike) -> None:
    """Raise a ValueError unless all are runs of ``runs_dir`` that have ended; see `remove`."""
    place = Path(runs_dir).resolve()
    for run in runs:
        if run.path.is_symlink():
            raise ValueError(link_refused(run.path))
        if run.path.resolve().parent.parent != place:
            raise ValueError(
                f"{run.path} is not a run of {place}, and only those are deleted; "
                "name its runs folder with --runs_dir"
            )
        if run.status == "running":
            raise ValueError(f"{run.label} is still running; stop it first")


def link_refused(path: Path) -> str:
    """Return the error message for a link to a run, which is not deleted."""
    return (
        f"{path} is a link to {path.resolve()}, and targets of links are not deleted; name that "
        f"run itself, or remove the link as a file"
    )


def worthless(runs_dir: PathLike, failed: bool = False) -> tuple[list[RunFolder], list[Path]]:
    """Return unfinished runs without a step or checkpoint, and temporary files.

    Runs with a tag or a note, and running ones, are never included.

    Parameters
    ----------
    runs_dir : path-like
    failed : bool
        Include all failed and crashed runs, even those with checkpoints.

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
        lost = lost or (failed and run.status in ("failed", "crashed"))
        if lost and not (run.tags or run.note):
            runs.append(run)
        else:
            files += [file for file in run.path.rglob(".*") if is_temporary(file)]
    return runs, files
