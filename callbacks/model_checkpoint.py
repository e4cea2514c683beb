"""ModelCheckpoint: keep the latest and the best states of a training."""

import time
import warnings
from typing import Any, Literal

from firstlight.callback import Callback
from firstlight.callbacks._shared.kept_files import name_of, recover, step_of
from firstlight.callbacks._shared.monitor import Monitor
from firstlight.checkpoints.format import BEST, EXCEPTION, LAST, Checkpoint
from firstlight.hookspecs import hookimpl
from firstlight.support.arguments import parse_count
from firstlight.trainer import Trainer


class ModelCheckpoint(Callback):
    """Write ``checkpoints/last.safetensors`` and ``checkpoints/best.safetensors`` of the run.

    *last* is written at the end of each epoch, within epochs as often as set below, and at the end
    of every training, also after Ctrl-C. *best* is written whenever the monitored value improves.
    Files are written in the background, and each one is complete at any moment; *last* is written
    after the files that it names, and a resume verifies them. An error in the middle of a step does
    not touch *last*, and writes ``exception.safetensors``, from which a resume is not exact. A
    second ModelCheckpoint writes into ``checkpoints/2``. Without a run (``runs_dir=None``) nothing
    is written.

    Parameters
    ----------
    monitor : str
        The logged value that decides which state is best; "auto" takes ``val_loss`` if it is
        logged, else ``train_loss``.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" infers it from the name
        (`firstlight.runs.directions`), and raises an error if it cannot.
    save_last : bool
        Whether to write *last*.
    top_k : int
        Number of best states to keep: 1 is *best* alone; further ones have epoch and step in their
        names. -1 keeps every state that has a monitored value, 0 none.
    every_n_epochs : int
        Epochs between two writes of *last*.
    every_n_steps : int, optional
        Steps between two writes of *last*, within epochs.
    every_seconds : float, optional
        Time between two writes of *last*, within epochs.
    save_weights_only : bool
        Save only the weights; no training can resume from such a file.

    Raises
    ------
    ValueError
        A number out of range; or, at the end of an epoch, a monitored value that is not among
        those logged.

    Examples
    --------
    >>> from firstlight.callbacks import ModelCheckpoint
    >>> checkpoint = ModelCheckpoint(monitor="val_loss", top_k=3, every_seconds=600)
    """

    rank_zero_only = True

    def __init__(
        self,
        monitor: str = "auto",
        mode: Literal["auto", "min", "max"] = "auto",
        save_last: bool = True,
        top_k: int = 1,
        every_n_epochs: int = 1,
        every_n_steps: int | None = None,
        every_seconds: float | None = None,
        save_weights_only: bool = False,
    ) -> None:
        if every_seconds is not None and every_seconds <= 0:
            raise ValueError(
                f"ModelCheckpoint: expected every_seconds above 0, got {every_seconds}"
            )
        who = "ModelCheckpoint"
        self.monitor: Monitor = Monitor(monitor, mode)
        self.save_last = save_last
        self.top_k: int = parse_count(f"{who}: top_k", top_k, -1)
        self.every_n_epochs: int = parse_count(f"{who}: every_n_epochs", every_n_epochs)
        self.every_n_steps: int | None = parse_count(
            f"{who}: every_n_steps", every_n_steps, optional=True
        )
        self.every_seconds = every_seconds
        self.save_weights_only = save_weights_only
        self.prefix: str = ""  # of file names, where several callbacks of this kind save
        self._kept = []  # [value, file name] of the k best, best first
        self._last, self._last_time = (None, False), 0.0
        self._ahead = None  # step of a best state that is later than the resumed one

    def on_fit_start(self, trainer: Trainer) -> None:
        """Reset the state; after a resume, verify the files that it names."""
        self.monitor.start(trainer, "ModelCheckpoint")
        if trainer.step == 0:
            self.monitor.reset()
            self._kept = []
        self._last, self._last_time = (None, False), time.monotonic()
        like = [c for c in trainer.callbacks if isinstance(c, ModelCheckpoint)]
        self.prefix = f"{like.index(self) + 1}/" if like[0] is not self else ""
        resumed = trainer.checkpointing.place is not None and trainer.run is not None
        self._ahead = recover(self, trainer) if resumed else None

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Save a new best."""
        if self.monitor.update(record) and self.top_k != 0:
            self._ahead = None
            self._save(trainer, BEST)
        followed = self.monitor.followed
        if self.top_k not in (0, 1) and followed in record and record[followed] == record[followed]:
            self._keep(trainer, record["step"], record["epoch"], record[followed])

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Save within an epoch if ``every_n_steps`` or ``every_seconds`` have passed."""
        by_steps = self.every_n_steps and trainer.step % self.every_n_steps == 0
        by_time = self.every_seconds and time.monotonic() - self._last_time >= self.every_seconds
        if by_steps or by_time:
            self._save_last(trainer)

    @hookimpl(tryfirst=True)
    def on_validation_start(self, trainer: Trainer) -> None:
        """Save before the last validation, so that a kill in it keeps the decision to stop."""
        if trainer.status == "running" and trainer.should_stop and trainer.progress.at_boundary:
            self._save_last(trainer)
            trainer.checkpointing.write_requested()

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Save, now that all values of the epoch are known."""
        self.monitor.require(trainer, "ModelCheckpoint")
        if trainer.checkpointing.cut_short is None:  # else an interrupt saved these too early
            for name in [name for name, step in self.named().items() if step == trainer.step]:
                self._save(trainer, name)
        if trainer.epoch % self.every_n_epochs == 0 or self._last[0] == trainer.step:
            self._save_last(trainer)

    @hookimpl(tryfirst=True)  # before other callbacks end
    def on_fit_end(self, trainer: Trainer) -> None:
        """Save the final state if needed, unless an optimizer step was interrupted."""
        if trainer.progress.at_boundary:
            if trainer.step or trainer.status == "finished":
                self._save_last(trainer)
            trainer.checkpointing.write_requested()
        elif trainer.optimizer is not None and trainer.optimizer.steps == trainer.step:
            self._save(trainer, EXCEPTION)
            trainer.checkpointing.write_requested()
        if self._ahead is not None and trainer.status == "finished":
            warnings.warn(
                f"{BEST} holds step {self._ahead} of an interrupted continuation that this "
                f"training did not repeat; this training has {self.monitor.describe_best()}",
                stacklevel=2,
            )
        name, logged = self.monitor.name, trainer.metrics
        if trainer.status == "finished" and logged and name != "auto" and name not in logged:
            message = self.monitor.missing(trainer, "ModelCheckpoint")
            warnings.warn(f"{message}; best.safetensors was not written", stacklevel=2)

    def on_save_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Name the files that the state refers to."""
        if trainer.run is not None:
            checkpoint.files |= {
                self.prefix + name: [step, None] for name, step in self.named().items()
            }

    def named(self) -> dict[str, int]:
        """Return ``{file name: step}`` of the best states so far."""
        has_best = self.monitor.best is not None and self.top_k != 0
        best = {BEST: self.monitor.step} if has_best else {}
        return best | {name: step_of(name) for _, name in self._kept}

    def forget(self, name: str) -> None:
        """Remove a file from the k best."""
        self._kept = [item for item in self._kept if item[1] != name]

    def state_dict(self) -> dict[str, Any]:
        """Return the best values so far, and the files that hold them."""
        return {**self.monitor.state_dict(), "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned, unless another value is monitored now."""
        self.monitor.load_state_dict(state)
        if self.monitor.followed == state["followed"]:
            self._kept = [list(item) for item in state["kept"]]
        self.named()  # raises if the state names another kind of file

    def _save_last(self, trainer: Trainer) -> None:
        # A step may be saved twice: before its epoch's end and, unless that was cut short, after.
        place = (
            trainer.step,
            trainer.progress.epoch_done and trainer.checkpointing.cut_short is None,
        )
        if self.save_last and place != self._last:
            self._save(trainer, LAST)
        self._last, self._last_time = place, time.monotonic()

    def _save(self, trainer: Trainer, name: str) -> None:
        if trainer.run is not None:
            path = trainer.run.checkpoints / self.prefix / name
            trainer.request_checkpoint(path, weights_only=self.save_weights_only)

    def _keep(self, trainer: Trainer, step: int, epoch: int, value: float) -> None:
        """Add a state to the k best, and drop the worst.

        The dropped file is deleted when no saved state names it any more, *last* included.
        """
        name = name_of(epoch, step)
        sign = -1 if self.monitor.direction == "max" else 1
        kept = sorted([*self._kept, [value, name]], key=lambda item: sign * item[0])
        fallen = kept.pop()[1] if len(kept) > self.top_k > 0 else None
        self._kept = kept
        if fallen != name:
            self._save(trainer, name)
