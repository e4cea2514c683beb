"""Load the model and the data of a run: ``firstlight.load``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.checkpoints.snapshot import read_weights
from firstlight.data.splits import DataSplits
from firstlight.runs import find_run
from firstlight.support.files import PathLike
from firstlight.tools.cli import past_run
from firstlight.tools.cli.errors import UsageError

if TYPE_CHECKING:
    from firstlight.module import Module


def load(
    run: PathLike | None = None,
    *,
    weights: PathLike | None = None,
    runs_dir: PathLike = "runs",
    trust: bool = False,
) -> Module:
    """Return the trained model of a run, in evaluation mode, on the CPU.

    It is created from the recorded arguments of its class. The class of a script comes from the
    copy of its source in the run; nothing is unpickled.

    Parameters
    ----------
    run : path-like, optional
        A folder, or a name below ``runs_dir``, as `firstlight.runs.find_run` takes it; the latest
        run by default.
    weights : {"best", "last"} or path-like, optional
        The best that were kept by default.
    runs_dir : path-like
    trust : bool
        Run code from the run's folder though this user's own scripts and commands have not made
        it.

    Raises
    ------
    FileNotFoundError
        There is no such run, or no such weights.
    ValueError
        The model cannot be created again; the message names the argument. Or the run has code,
        and ``trust`` is False.
    """
    folder = find_run(run, runs_dir).path
    model, _, _ = _rebuilt(folder, trust, with_data=False)
    path = past_run.checkpoint_path(folder, None if weights is None else str(weights))
    model.load_state_dict(read_weights(path, None).model)
    return model.eval()


def load_data(
    run: PathLike | None = None, *, runs_dir: PathLike = "runs", trust: bool = False
) -> DataSplits:
    """Return the data of a run; see `load`."""
    return _rebuilt(find_run(run, runs_dir).path, trust, with_model=False)[1]


def _rebuilt(folder: Path, trusted: bool, **parts: bool):
    try:
        return past_run.rebuild(folder, [], trusted=trusted, **parts)
    except UsageError as error:
        raise ValueError(str(error).replace("add --trust", "pass trust=True")) from error
