"""Load the model and the data of a run, or a model's file: ``firstlight.load``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.checkpoints.format import root_of
from firstlight.checkpoints.model_file import SUFFIX
from firstlight.checkpoints.snapshot import read_weights
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import DataSplits
from firstlight.runs import find_run
from firstlight.support import rng
from firstlight.support.files import PathLike
from firstlight.tools._model_files import load_file
from firstlight.tools.cli import past_run
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.script_runs import OTHER_DATA

if TYPE_CHECKING:
    from firstlight.module import Module


def load(
    run: PathLike | None = None,
    *,
    weights: PathLike | None = None,
    runs_dir: PathLike = "runs",
    trust: bool = False,
) -> Module:
    """Return the trained model of a run or of a file, in evaluation mode, on the CPU.

    It is created from the recorded arguments of its class. In a run, the class of a script comes
    from the copy of its source; the class that a file names is imported. Nothing is unpickled.

    Parameters
    ----------
    run : path-like, optional
        A folder, or a name below ``runs_dir``, as `firstlight.runs.find_run` takes it; the latest
        run by default. Or a file that `firstlight.Module.save` wrote, or a checkpoint in a run.
    weights : {"best", "last"} or path-like, optional
        The best that were kept by default.
    runs_dir : path-like
    trust : bool
        Run code that the run or the file has or names, though this user's own scripts and commands
        have not made it.

    Raises
    ------
    FileNotFoundError
        There is no such run or file, or no such weights.
    ValueError
        The model cannot be created again; the message names the argument. Or the run has code, or
        the file names some, and ``trust`` is False. Or the file is damaged, or of another kind.
    """
    if run is not None and Path(run).suffix == SUFFIX:
        file = Path(run).expanduser()
        if weights is not None:
            raise ValueError(f"weights: {run} is a file, with weights of its own; leave them out")
        if not (root_of(file).parent / "config.json").is_file():
            return load_file(file, trust=trust)
        run, weights = root_of(file).resolve().parent, file.resolve()
    folder = find_run(run, runs_dir).path
    model, _, _ = _rebuilt(folder, trust, with_data=False)
    path = past_run.checkpoint_path(folder, None if weights is None else str(weights))
    model.load_state_dict(read_weights(path, None).model)
    model._preprocessing = Preprocessing.of_run(folder)
    return model.eval()


def load_data(
    run: PathLike | None = None, *, runs_dir: PathLike = "runs", trust: bool = False
) -> DataSplits:
    """Return the data of a run; see `load`."""
    return _rebuilt(find_run(run, runs_dir).path, trust, with_model=False)[1]


def _rebuilt(folder: Path, trusted: bool, **parts: bool):
    before = rng.state_dict()
    try:
        return past_run.rebuild(folder, [], trusted=trusted, **parts)
    except UsageError as error:
        message = str(error).replace("add --trust", "pass trust=True")
        raise ValueError(message.replace(f"; {OTHER_DATA}", "")) from error
    finally:  # of the script's seeds and draws
        rng.load_state_dict(before)
