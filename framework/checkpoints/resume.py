"""Find the checkpoint to resume from; resuming gives the same bytes as no interruption.

``Trainer.fit(..., resume=...)`` takes

=========  =====================================================================================
"auto"     the newest run of this name if it did not finish (killed, interrupted, failed), else a
           new run; repeating the same command thus resumes the training. In a job of Slurm that
           was queued again, also the run that this job has finished: it is not trained twice
"last"     the last state of the newest run of this name, finished or not
"best"     the best state of that run, continued in a new run; the old run stays unchanged
a path     a checkpoint file; or the last state of a run: its folder, name/id, or a name for the
           newest run of this name
=========  =====================================================================================

"auto" and "last" continue in the run's own folder: records later than the checkpoint are dropped,
and the repeated steps write them again. If a file is damaged, the newest valid one is used, with a
warning. ``exception.safetensors`` was written in the middle of a step; it is used only if its path
is given.

A requested stop (early stopping, `Trainer.stop`) is part of the state: if a run was killed between
the request and its end, the resumed run stops again. If the run has finished, a resume continues
the training.

While another process owns the folder, "auto" and "last" are refused. A path takes the run over:
the other training detects this and stops. See `firstlight.runs.owner`.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from firstlight.checkpoints.format import EXCEPTION, LAST, Checkpoint, root_of
from firstlight.runs import owner
from firstlight.runs.claims import claims
from firstlight.runs.find import find_run, start_order
from firstlight.runs.folder import states
from firstlight.runs.job import is_repeated_by_this_job
from firstlight.runs.run_files import read_status
from firstlight.support.files import is_temporary


@dataclass
class Place:
    """The checkpoint that a training resumes from, and the run that it continues.

    Attributes
    ----------
    path : pathlib.Path
    checkpoint : Checkpoint
    run : pathlib.Path or None
        The run's folder to continue in; None for a new one.
    unfinished : bool
        True if that run did not finish; a stop requested in it then still holds.
    """

    path: Path
    checkpoint: Checkpoint
    run: Path | None = None
    unfinished: bool = False

    @property
    def folder(self) -> Path:
        """The folder of checkpoints; file names are relative to it."""
        return root_of(self.path)

    def holds(self, name: str, step: int) -> bool:
        """Return whether a file that the checkpoint refers to exists with the same content.

        Step and checksum in the file's header are compared.
        """
        found = Checkpoint.identity(self.folder / name)
        _, checksum = self.checkpoint.files.get(name, (step, None))  # None: known by step only
        return found is not None and found[0] == step and checksum in (None, found[1])


def find(resume: Path | str, runs_dir: Path | str | None, name: str) -> Place | None:
    """Return the `Place` to resume from, or None for a new training.

    Parameters
    ----------
    resume : {"auto", "last", "best"} or path-like
    runs_dir : path-like or None
    name : str
        Name of the runs to search.

    Raises
    ------
    FileNotFoundError
        There is no such checkpoint ("auto" starts a new training instead).
    ValueError
        No checkpoint of the run is valid.
    RunInUse
        Another process owns the run.
    """
    if resume not in ("auto", "last", "best"):
        path = _existing(resume, runs_dir)
        if path.name == EXCEPTION:
            warnings.warn(
                f"{str(path)!r} was written in the middle of a step; the training will differ from "
                f"an uninterrupted one. {LAST} in the same folder, if it exists, resumes exactly",
                stacklevel=2,
            )
        return _continue_run(path, take_over=True) if path.name == LAST else _place(path)
    if runs_dir is None:
        raise ValueError(f"resume={resume!r} searches runs, but runs_dir is None; give a path")
    folders = [path.parent for path in (Path(runs_dir).expanduser() / name).glob("*/config.json")]
    folders.sort(key=start_order)
    runs = [run for run in folders if states(run / "checkpoints")]
    if resume == "auto":
        if folders[-1:] != runs[-1:] and claims(folders[-1]):  # another process has just begun it
            owner.claim(folders[-1]).release()
        again = bool(runs) and is_repeated_by_this_job(runs[-1])
        if not runs or (read_status(runs[-1]) == "finished" and not again):
            return None
        place = _continue_run(runs[-1] / "checkpoints" / LAST)
        place.unfinished |= again  # a stop requested in it still holds
        if again or read_status(runs[-1]) != "finished":  # another process may have finished it
            return place
        owner.owned[place.run.absolute()].release()
        return None
    if not runs:
        raise FileNotFoundError(
            f"resume={resume!r}: no run called {name} in {runs_dir} has a checkpoint; "
            'start one, or use resume="auto", which does so by itself'
        )
    path = runs[-1] / "checkpoints" / f"{resume}.safetensors"
    return _continue_run(path) if resume == "last" else _place(path)


def _existing(resume, runs_dir):
    """Return the path of a checkpoint file, or of the last checkpoint of a run.

    Raises
    ------
    TypeError, FileNotFoundError
    """
    if not isinstance(resume, (str, os.PathLike)) or resume == "":  # "": an unset shell variable
        raise TypeError(f'resume: expected "auto", "last", "best" or a path, got {resume!r}')
    path = Path(resume).expanduser()
    if path.is_file():
        return path
    folder = path.parent if path.name == "checkpoints" else path
    try:
        run = find_run(folder, "runs" if runs_dir is None else runs_dir)
    except FileNotFoundError:
        names = sorted(other.name for other in path.parent.glob("*.safetensors"))
        raise FileNotFoundError(
            f"resume={str(resume)!r}: there is no such file; "
            + (f"in its folder are {', '.join(names)}" if names else "its folder has no checkpoint")
            + '; or use "auto", "last", "best", or a run: its folder, name/id or name'
        ) from None
    if not run.resumable:
        raise FileNotFoundError(
            f"resume={str(resume)!r}: the run {run.label} ({run.status}) has no checkpoint to "
            "resume from; train it again"
        )
    return run.path / "checkpoints" / LAST


def _continue_run(path, take_over=False):
    """Claim a run, and return the place of its last checkpoint."""
    run = path.parent.parent
    if path.parent.name != "checkpoints" or not (run / "config.json").is_file():
        return _place(path)
    if not take_over and read_status(run) == "running" and not claims(run):
        raise owner.refusal(run, "a process of an earlier firstlight")
    try:
        owned = owner.claim(run, take_over=take_over)
    except OSError as error:
        raise OSError(
            f"run {run} cannot be continued, as its folder cannot be written ({error}); resume "
            "from a copy of it"
        ) from error
    try:
        # Temporary files of the previous owner must not replace the files that are read next.
        for leftover in (*run.glob(".*"), *(run / "checkpoints").glob("**/.*")):
            if is_temporary(leftover) and leftover.is_file():
                leftover.unlink(missing_ok=True)
        return _place(path, run)
    except BaseException:
        owned.release()
        raise


def _place(path, run=None):
    found, checkpoint = newest_valid(path)
    unfinished = run is not None and read_status(run) != "finished"
    return Place(found, checkpoint, run, unfinished)


def newest_valid(path: Path) -> tuple[Path, Checkpoint]:
    """Return ``(path, Checkpoint)`` of a file or, if it is damaged, of the newest valid one.

    Files of weights only cannot replace a damaged file.

    Raises
    ------
    FileNotFoundError
        There is no checkpoint in the folder at all.
    ValueError
        None of them is valid.
    """
    others, problems = states(path.parent), []
    for candidate in dict.fromkeys([path, *others]):
        try:
            checkpoint = Checkpoint.load(candidate)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
            continue
        if candidate != path and not checkpoint.optimizer:
            continue
        if candidate != path:
            warnings.warn(f"{problems[0]}; resuming from {str(candidate)!r} instead", stacklevel=2)
        return candidate, checkpoint
    kind = ValueError if others else FileNotFoundError
    raise kind("; ".join(problems))
