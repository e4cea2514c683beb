"""EarlyStopping: end a training that no longer improves."""

import math
from typing import Any, Literal

from firstlight.callback import Callback
from firstlight.callbacks._shared.monitor import Monitor
from firstlight.checkpoints.format import Checkpoint, arrays_under
from firstlight.checkpoints.snapshot import callback_key
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.trainer import Trainer


class EarlyStopping(Callback):
    """Stop when a logged value has not improved for some validations.

    NaN and infinity count as no improvement.

    Parameters
    ----------
    monitor : str
        The logged value to watch; "auto" takes ``val_loss`` if it is logged, else ``train_loss``.
    patience : int
        Validations in a row without an improvement after which to stop.
    min_delta : float
        By how much a value must pass the best one to count as an improvement.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" infers it from the name
        (`firstlight.runs.directions`), and raises an error if it cannot.
    stopping_threshold : float, optional
        Stop at once when the value is as good as this or better: the goal is reached.
    divergence_threshold : float, optional
        Stop at once when the value is as bad as this or worse.
    start_from_epoch : int
        Epochs to train before the value is looked at; what it is until then counts for nothing.
    restore_best : bool
        When the training finishes, give the module the weights that the best validation saw
        (with `EMA`, the average). Checkpoints hold them too, for a resume.

    Attributes
    ----------
    waited : int
        Validations since the last improvement.

    Raises
    ------
    ValueError
        A patience below 1, or a start_from_epoch below 0; the monitored value is not among those
        logged.

    References
    ----------
    Prechelt, "Early Stopping - But When?", 1998.

    Examples
    --------
    >>> from firstlight.callbacks import EarlyStopping
    >>> stopping = EarlyStopping("val_acc", patience=5)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 3,
        min_delta: float = 0.0,
        mode: Literal["auto", "min", "max"] = "auto",
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
        start_from_epoch: int = 0,
        restore_best: bool = False,
    ) -> None:
        self.monitor: Monitor = Monitor(monitor, mode, min_delta)
        self.patience: int = parse_count("EarlyStopping: patience", patience)
        self.stopping_threshold = stopping_threshold
        self.divergence_threshold = divergence_threshold
        self.start_from_epoch: int = parse_count(
            "EarlyStopping: start_from_epoch", start_from_epoch, 0
        )
        self.restore_best = restore_best
        self.waited: int = 0
        self._best_weights = self._validated = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Reset the counts, unless the training is resumed."""
        self.monitor.start(trainer, "EarlyStopping")
        if trainer.step == 0:
            self.monitor.reset()
            self.waited = 0
            self._best_weights = None

    def on_validation_start(self, trainer: Trainer, module: Module) -> None:
        """Keep the weights that are about to be validated."""
        if self.restore_best and trainer.status == "running" and self._has_started(trainer.epoch):
            self._validated = module.state_dict()

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Compare with the thresholds, and count the validations without an improvement."""
        if not self._has_started(record["epoch"]):
            return
        better = self.monitor.update(record)
        if better is None:
            return
        reason = self._threshold_reason(record[self.monitor.followed])
        if reason and trainer.stop_reason is None:
            trainer.stop(f"early stopping: {self.monitor.followed} {reason}")
        if better:
            self.waited = 0
            if self.restore_best:
                self._best_weights = self._validated or trainer.module.state_dict()
            self._validated = None
            return
        self._validated = None
        self.waited += 1
        if self.waited >= self.patience and trainer.stop_reason is None:
            trainer.stop(self._reason(record[self.monitor.followed]))

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Raise if the monitored value should have been logged by now."""
        self.monitor.require(trainer, "EarlyStopping")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the best weights."""
        if trainer.status == "finished" and self._best_weights is not None:
            trainer.module.load_state_dict(self._best_weights)
        self._best_weights = None

    def on_save_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Add the best weights."""
        prefix = f"{callback_key(trainer.callbacks, self)}/"
        checkpoint.arrays |= {prefix + n: a for n, a in (self._best_weights or {}).items()}

    def on_load_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Keep the best weights of the checkpoint."""
        key = callback_key(trainer.callbacks, self)
        self._best_weights = arrays_under(checkpoint.arrays, f"{key}/") or None

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the count."""
        return self.monitor.state_dict() | {"waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.monitor.load_state_dict(state)
        self.waited = state["waited"]

    def _has_started(self, epoch: int) -> bool:
        return epoch > self.start_from_epoch

    def _threshold_reason(self, value: float) -> str | None:
        sign = -1 if self.monitor.direction == "max" else 1
        goal, limit = self.stopping_threshold, self.divergence_threshold
        if goal is not None and sign * value <= sign * goal:
            return f"has reached {goal:g} (now {value:.4g})"
        if limit is not None and not sign * value < sign * limit:
            return f"has gone beyond {limit:g} (now {value:.4g})"
        return None

    def _reason(self, value: float) -> str:
        times = f"{self.waited} validation{'s' * (self.waited > 1)}"
        now = "" if math.isfinite(value) else f"now {value}, "
        return (
            f"early stopping: {self.monitor.followed} has not improved for {times} "
            f"({now}{self.monitor.describe_best()})"
        )
