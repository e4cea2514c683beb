"""Find the checkpoint to resume from; the result has the same bytes as without the interruption.

``Trainer.fit(..., resume=...)`` takes

=========  =====================================================================================
"auto"     the newest run of this name if it did not finish (killed, interrupted, failed); a new
           run if there is none: the same command again resumes where it stopped
"last"     the last state of the newest run of this name, finished or not
"best"     its best state; what came later is left behind in the old run, a new run is made
a path     a checkpoint file; or a run for its last state: its folder, name/id, or a name for the
           newest run of this name
=========  =====================================================================================

"auto" and "last" continue in the run's own folder: records later than the checkpoint are dropped
and written again by the same steps. If a file is damaged, the newest valid one is used, with a
warning. ``exception.safetensors``, written in the middle of a step, is never
chosen; its path can be given.

A stop that was decided (early stopping, `Trainer.stop`) is part of the state: a run that was
killed between the decision and its end stops again. Once the run has finished, resuming it
means training on.

While another process fills the folder, "auto" and "last" are refused. A path takes the run over:
the other training notices and stops. See `firstlight.runs.owner`.
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
        Whether that run did not come to its end, so that a stop it had decided still holds.
    """

    path: Path
    checkpoint: Checkpoint
    run: Path | None = None
    unfinished: bool = False

    @property
    def folder(self) -> Path:
        """The folder of checkpoints, to which the names of files are relative."""
        return root_of(self.path)

    def holds(self, name: str, step: int) -> bool:
        """Return whether a file that the checkpoint names exists with the same content.

        Step and checksum are compared, the file's header is read.
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
        No checkpoint there is valid.
    RunInUse
        Another process writes to the run.
    """
    if resume not in ("auto", "last", "best"):
        path = _existing(resume, runs_dir)
        if path.name == EXCEPTION:
            warnings.warn(
                f"{str(path)!r} was written in the middle of a step; what follows differs from one "
                f"that was not interrupted. {LAST} beside it, if there is one, resumes exactly",
                stacklevel=2,
            )
        return _continue_run(path, take_over=True) if path.name == LAST else _place(path)
    if runs_dir is None:
        raise ValueError(f"resume={resume!r} looks through runs, but runs_dir is None; give a path")
    folders = [path.parent for path in (Path(runs_dir).expanduser() / name).glob("*/config.json")]
    folders.sort(key=start_order)
    runs = [run for run in folders if states(run / "checkpoints")]
    if resume == "auto":
        if folders[-1:] != runs[-1:] and claims(folders[-1]):  # begun by another process just now
            owner.claim(folders[-1]).release()
        if not runs or read_status(runs[-1]) == "finished":
            return None
        place = _continue_run(runs[-1] / "checkpoints" / LAST)
        if read_status(runs[-1]) != "finished":  # by another process, before this one owned it
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
    """Return the path of the checkpoint that a user named, or of the last one of a run.

    Raises
    ------
    TypeError, FileNotFoundError
    """
    if not isinstance(resume, (str, os.PathLike)) or resume == "":  # "": a shell's unset variable
        raise TypeError(f'resume: expected "auto", "last", "best" or a path, got {resume!r}')
    path = Path(resume).expanduser()
    if path.is_file():
        return path
    folder = path.parent if path.name == "checkpoints" else path
    try:
        run = find_run(folder, "runs" if runs_dir is None else runs_dir)
    except FileNotFoundError:
        there = sorted(other.name for other in path.parent.glob("*.safetensors"))
        raise FileNotFoundError(
            f"resume={str(resume)!r}: there is no such file; "
            + (f"in its folder are {', '.join(there)}" if there else "its folder has no checkpoint")
            + '; or use "auto", "last", "best", or a run: its folder, name/id or name'
        ) from None
    if not run.resumable:
        raise FileNotFoundError(
            f"resume={str(resume)!r}: the run {run.label} ({run.status}) has no checkpoint to go "
            "on from; train it again"
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
        # Whatever the owner before had begun to write can then not replace what is read now.
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

    Files of weights only, from which no training can resume, are ignored then.

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
            warnings.warn(f"{problems[0]}; going on from {str(candidate)!r} instead", stacklevel=2)
        return candidate, checkpoint
    kind = ValueError if others else FileNotFoundError
    raise kind("; ".join(problems))
