"""LiveCurves: draw the curves of a training in a notebook while it runs."""

import time

from firstlight.callback import Callback
from firstlight.callbacks._shared.live_picture import LivePicture, in_notebook
from firstlight.runs.history import History
from firstlight.trainer import Trainer


class LiveCurves(Callback):
    """Draw the curves below a notebook's cell, and update them after each epoch.

    It needs a notebook or IPython.

    Parameters
    ----------
    every_seconds : float
        Shortest time between two updates; the end is always drawn.

    Raises
    ------
    RuntimeError
        When the training starts outside a notebook or IPython.

    Examples
    --------
    >>> from firstlight.callbacks import LiveCurves
    >>> live = LiveCurves(every_seconds=5)
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.every_seconds = every_seconds
        self._picture: LivePicture | None = None
        self._drawn = 0.0

    def on_fit_start(self) -> None:
        """Check that this is a notebook or IPython."""
        if not in_notebook():
            raise RuntimeError(
                "LiveCurves: expected a notebook or IPython; in a script use the callback plots, "
                "or history.plot() afterwards"
            )
        self._picture, self._drawn = None, 0.0

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Draw if ``every_seconds`` have passed."""
        if self._picture is None or time.perf_counter() - self._drawn >= self.every_seconds:
            self._draw(trainer.history)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the final curves."""
        self._draw(trainer.history)

    def _draw(self, history: History) -> None:
        if not any("epoch_seconds" in record for record in history.records):
            return
        from firstlight.tools.figures import curves

        self._picture = self._picture or LivePicture()
        self._picture.show(curves(history))
        self._drawn = time.perf_counter()
