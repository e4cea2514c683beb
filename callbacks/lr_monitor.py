"""LRMonitor: log the learning rate of every parameter group."""

from firstlight.callback import Callback
from firstlight.trainer import Trainer


class LRMonitor(Callback):
    """Log the hyper-parameters that schedules change, for each parameter group.

    The Trainer logs the first group's learning rate as ``lr``. This adds ``lr.0``, ``lr.1`` …
    where there are several groups, every ``log_every_n_steps`` steps and with each epoch. If there
    are several optimizers, their names follow: ``lr/d``, ``lr/g.0``, ``momentum/d``.

    Parameters
    ----------
    log_momentum : bool
        Also log ``momentum``, or the first beta of Adam and similar optimizers.
    log_weight_decay : bool
        Also log ``weight_decay``.

    Examples
    --------
    >>> from firstlight.callbacks import LRMonitor
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([LRMonitor(log_momentum=True)])
    >>> trainer.history["momentum"][-1]
    0.9
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, log_momentum: bool = False, log_weight_decay: bool = False) -> None:
        self.log_momentum = log_momentum
        self.log_weight_decay = log_weight_decay

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Log every ``log_every_n_steps`` steps."""
        if trainer.step % trainer.log_every_n_steps == 0:
            self._log(trainer)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Log at the end of an epoch."""
        self._log(trainer)

    def _log(self, trainer: Trainer) -> None:
        values = {}
        for name, optimizer in trainer.optimizer.by_name().items():
            several, start = len(optimizer.param_groups) > 1, f"/{name}" if name else ""
            for index, group in enumerate(optimizer.param_groups):
                end = start + (f".{index}" if several else "")
                if several:
                    values[f"lr{end}"] = group["lr"]
                if self.log_momentum and ("momentum" in group or "betas" in group):
                    values[f"momentum{end}"] = group.get("momentum", group.get("betas", [None])[0])
                if self.log_weight_decay and "weight_decay" in group:
                    values[f"weight_decay{end}"] = group["weight_decay"]
        if values:
            trainer.log(values)
