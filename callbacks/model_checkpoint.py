"""ModelCheckpoint: keeps the latest and the best state of a training."""

import warnings
from typing import Literal

from firstlight.callback import Callback
from firstlight.callbacks.monitor import Monitor


class ModelCheckpoint(Callback):
    """Write ``checkpoints/last.safetensors`` and ``checkpoints/best.safetensors`` of the run.

    *last* is written at the end of each epoch and, if steps were made since, when the training
    ends, by Ctrl-C or an error too. *best* is written whenever the monitored value improves. A
    Trainer that keeps no run (``runs_dir=None``) writes neither.

    Parameters
    ----------
    monitor : str
        The logged value that decides which state is best; "auto" takes ``val_loss`` if it
        is logged, else ``train_loss``.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto": larger for accuracies, else smaller.
    save_last : bool
        Whether to write *last*.

    Raises
    ------
    ValueError
        The monitored value is not among those logged; raised at the end of an epoch.

    Examples
    --------
    >>> from firstlight.callbacks import ModelCheckpoint
    >>> checkpoint = ModelCheckpoint(monitor="val_loss")
    """

    def __init__(
        self,
        monitor: str = "auto",
        mode: Literal["auto", "min", "max"] = "auto",
        save_last: bool = True,
    ):
        self.monitor = Monitor(monitor, mode)
        self.save_last = save_last
        self._last_step = 0

    def on_fit_start(self, trainer):
        """Start anew, or go on after a restart."""
        if trainer.step == 0:
            self.monitor.reset()
        self._last_step = trainer.step

    def on_log(self, trainer, record):
        """Save a new best."""
        if self.monitor.update(record) and trainer.run is not None:
            trainer.request_checkpoint(trainer.run.checkpoints / "best.safetensors")

    def on_train_batch_end(self, trainer):
        """Save the last step of a training that ends within an epoch."""
        if trainer.should_stop:
            self._save_last(trainer)

    def on_train_epoch_end(self, trainer):
        """Save, now that all values of the epoch are known."""
        self.monitor.require(trainer, "ModelCheckpoint")
        self._save_last(trainer)

    def on_fit_end(self, trainer):
        """Save what was not saved yet, unless an optimizer step was cut in half."""
        if trainer.optimizer is not None and trainer.optimizer.steps == trainer.step:
            self._save_last(trainer)
            trainer.save_requested()
        name, logged = self.monitor.name, trainer.metrics
        if trainer.status == "finished" and logged and name != "auto" and name not in logged:
            message = self.monitor.missing(trainer, "ModelCheckpoint")
            warnings.warn(f"{message}; best.safetensors was not written", stacklevel=2)

    def state_dict(self):
        """Return the best value so far."""
        return self.monitor.state_dict()

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self.monitor.load_state_dict(state)

    def _save_last(self, trainer):
        if self.save_last and trainer.run is not None and trainer.step != self._last_step:
            trainer.request_checkpoint(trainer.run.checkpoints / "last.safetensors")
        self._last_step = trainer.step
