"""Stages that follow a training and belong to its run, such as the test of ``firstlight fit``.

``summary.json`` names the current stage. If the process is killed during a stage, the run's status
is crashed, and ``resume="auto"`` repeats the stage without further training.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from firstlight.runs import owner
from firstlight.runs.masking import masked_text

if TYPE_CHECKING:
    from firstlight.runs.run import Run


@contextmanager
def stage(run: Run | None, name: str) -> Iterator[Callable[[dict[str, float]], None]]:
    """Record a stage in a run's summary; yield a function that adds metrics to the run.

    A stage that was announced (`Trainer.announce`) is part of the run: if it fails or is
    interrupted, so is the run. A stage that a script adds later does not change the run's status.
    If the run's folder cannot be written, or another process owns it, a warning says that the
    metrics are not kept.

    Parameters
    ----------
    run : Run or None
        None keeps nothing.
    name : str
    """
    if run is None:
        yield lambda metrics: None
        return
    announced, before = run.summary.get("stage") == name, run.summary["status"]
    if not announced and not _claimed(run, name):
        yield lambda metrics: None
        return
    run.summary |= {"status": "running", "stage": name}
    status, error = ("finished" if announced else before), None
    try:
        with _warn_if_unwritable(run, name):
            run.write_summary()
        yield run.summary["metrics"].update
        del run.summary["stage"]
    except BaseException as failure:
        if announced:
            status = "interrupted" if isinstance(failure, KeyboardInterrupt) else "failed"
            error = masked_text(f"{type(failure).__name__}: {failure}")
        else:
            del run.summary["stage"]
        raise
    finally:
        run.summary |= {"status": status} | ({"error": error} if error else {})
        with _warn_if_unwritable(run, name):
            run.write_summary()
        run.owner.release()


def _claimed(run, name):
    """Claim the run for this process again; warn and return False if that fails."""
    try:
        run.owner = owner.claim(run.path)
        run.summary["owner"] = run.owner.token
    except (OSError, owner.RunInUse) as error:
        _warn(run, name, error)
        return False
    return True


@contextmanager
def _warn_if_unwritable(run, name):
    try:
        yield
    except OSError as error:
        _warn(run, name, error)


def _warn(run, name, error):
    warnings.warn(
        f"the metrics of the {name} are not kept in {run.path / 'summary.json'}: {error}",
        stacklevel=4,
    )
