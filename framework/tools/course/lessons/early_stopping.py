"""EarlyStopping in its simplest form: the lesson of an exercise."""

import math
from typing import Any

from firstlight.callback import Callback
from firstlight.trainer import Trainer


class EarlyStopping(Callback):
    """Stop when a logged value no longer decreases, and restore the best weights.

    Formula, for a value v, and the best one b before it::

        v < b - min_delta:   b = v, waited = 0          NaN never improves
        else:                waited = waited + 1        stop if waited = patience

    `firstlight.callbacks.EarlyStopping` has thresholds, values that should increase, and
    checkpoints besides.

    Parameters
    ----------
    monitor : str
        The logged value to watch.
    patience : int
        Validations in a row without an improvement after which to stop.
    min_delta : float
        By how much a value must be below the best one to count as an improvement.

    Attributes
    ----------
    best : float
        The best value so far, infinity before the first.
    waited : int
        Validations since the last improvement.
    best_weights : dict of str to array, or None
        A copy of the weights at the best value.

    Examples
    --------
    >>> from firstlight.tools.course.lessons.early_stopping import EarlyStopping
    >>> stopping = EarlyStopping("val_loss", patience=5)
    """

    best: float
    waited: int
    best_weights: dict[str, Any] | None

    def __init__(self, monitor: str = "val_loss", patience: int = 3, min_delta: float = 0.0):
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta

    def on_fit_start(self, trainer: Trainer) -> None:
        """Reset what an earlier training has left."""
        self.best, self.waited, self.best_weights = math.inf, 0, None

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Compare the value of a record, if it is there, with the best one."""
        if self.monitor not in record:
            return
        value = record[self.monitor]
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            self.best_weights = trainer.module.state_dict()  # a copy
        else:
            self.waited += 1
            if self.waited >= self.patience:
                trainer.stop(f"{self.monitor} has not improved for {self.waited} validations")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the best weights, if there are any."""
        if self.best_weights is not None:
            trainer.module.load_state_dict(self.best_weights)
