"""The TensorBoard writer of `Trainer.tensorboard`, for users' own figures and texts."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


def summary_writer(callbacks: Iterable[Any], run: Any) -> "SummaryWriter":
    """Return the ``SummaryWriter`` (tensorboardX) of the callback that has one.

    If there is no run, as on every rank except 0, the writer discards its input.

    Raises
    ------
    RuntimeError
        A run is kept, but no callback writes for TensorBoard.
    """
    if run is None:
        from tensorboardX import SummaryWriter

        return SummaryWriter(os.devnull, write_to_disk=False)
    for callback in callbacks:
        if hasattr(type(callback), "summary_writer"):
            return callback.summary_writer
    raise RuntimeError(
        "Trainer.tensorboard: no callback writes for TensorBoard; add one: "
        'Trainer(callbacks=["tensorboard"])'
    )
