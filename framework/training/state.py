"""TrainingState: the attributes and methods of a trainer for callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.support.arguments import parse_count, parse_duration
from firstlight.training import checks
from firstlight.training.setup import TrainingData
from firstlight.training.summary_writer import summary_writer

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

    from firstlight.checkpoints.snapshot import Checkpointing
    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers
    from firstlight.runs.history import History
    from firstlight.runs.run import Run
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.hook_manager import HookManager
    from firstlight.training.interrupt import Interrupt
    from firstlight.training.limits import Limits
    from firstlight.training.loop import Loop
    from firstlight.training.progress import Progress


class TrainingState:
    """The state of a trainer, and the requests of callbacks.

    A callback calls ``stop(reason)``, ``skip_step()``, ``skip_epoch()``, ``log(values)``,
    ``save_checkpoint(path)`` and ``request_checkpoint(path)``.

    Attributes
    ----------
    module, optimizer, run
        The trained module, its optimizer (or several, `firstlight.optim.optimizers.Optimizers`),
        and the run folder; None before `Trainer.fit`.
    step, epoch : int
        Optimizer steps done; the current or just completed epoch, counted from 1.
    total_steps, epoch_batches : int
        Optimizer steps of the whole training (None if only time limits it); batches an epoch.
    metrics : dict of str to float
        Latest value of everything that was logged.
    history : History
        Everything that was logged.
    status : {"idle", "running", "finished", "interrupted", "failed"}
    should_stop, interrupted : bool
        Whether the training ends after this step; whether a signal is the reason.
    stop_reason : str or None
        Reason given to `stop`.
    elapsed : float
        Seconds since the training started.
    train_loader, val_loader
        Loaders of batches; ``val_loader`` is None without validation.
    data : TrainingData
        The loaders, tokenizer, classes and preprocessing of the training.
    progress : Progress
        The state of the training apart from its arrays, position in the epoch included.
    tensorboard : tensorboardX.SummaryWriter
        Writer for your own figures, images, texts and audio.
    is_global_zero : bool
        Whether this is rank 0, which alone writes and prints.
    """

    callbacks: list[Any]
    module: Module | None
    optimizer: Optimizer | Optimizers | None
    run: Run | None
    loop: Loop | None
    data: TrainingData
    limits: Limits
    accumulation: Accumulation
    communicator: Communicator
    progress: Progress
    hooks: HookManager

    def __init__(self) -> None:
        self.module = self.optimizer = self.run = self.loop = None
        self.data = TrainingData()

    def stop(self, reason: str) -> None:
        """Request a stop after this step, or as soon as ``min_epochs`` and ``min_steps`` are done.

        The reason is written to ``summary.json``.
        """
        self.progress.stop_reason = reason

    def skip_step(self) -> None:
        """Skip this optimizer step; call it in ``on_before_optimizer_step`` or earlier."""
        self.progress.skips_step = True

    def skip_epoch(self) -> None:
        """Skip the rest of this epoch's batches; validation and the next epoch follow.

        The current step is completed. In ``on_train_batch_start`` the batch is skipped, and the
        gradients of an open accumulation window are dropped. With several ranks, one of them may
        call it in ``on_train_batch_end``; in other hooks all ranks must.
        """
        self.progress.skips_epoch = True

    def log(self, values: dict[str, float]) -> None:
        """Log named values (floats) at the current step: to history, run folder and loggers."""
        place = self.progress.place()
        values = checks.loggable(values, reserved=place)
        record = place | values
        self.progress.metrics.update(values)
        self.history.add(record)
        if self.run is not None:
            self.run.record(record)
        self.hooks.calls.on_log(record=record)

    @property
    def tensorboard(self) -> SummaryWriter:
        """TensorboardX's ``SummaryWriter`` of the run, for your own figures, texts and audio."""
        return summary_writer(self.callbacks, self.run)

    def save_checkpoint(self, path: str | Path) -> None:
        """Write the state of the training to a file now; see `Checkpoint`."""
        self.checkpointing.save(path)

    def request_checkpoint(self, path: str | Path, *, weights_only: bool = False) -> None:
        """Request a checkpoint, to be written after every callback has run at this step or epoch.

        Resuming from it is bit-exact. It is written in the background. A failed write causes a
        warning, and is repeated with the next checkpoint.
        """
        self.progress.requested[Path(path)] = weights_only

    # --- attributes for callbacks and modules -------------------------------------------------

    @property
    def should_stop(self) -> bool:
        """Whether to stop now: by a request, a signal, or the limit on steps or time."""
        return self.progress.interrupt.requested or self.limits.are_reached(self.progress)

    @property
    def interrupted(self) -> bool:
        """Whether a signal such as Ctrl-C requested a stop; see `firstlight.training.interrupt`."""
        return self.progress.interrupt.requested

    @property
    def epoch_batches(self) -> int:
        """Training batches an epoch, within the limit."""
        return self.limits.count("train", len(self.data.train_loader))

    @property
    def total_steps(self) -> int | None:
        """Optimizer steps that the training will make; None if it is not known."""
        if self.data.train_loader is None:  # steps by hand, an evaluation
            return None
        return self.limits.total_steps(self.accumulation, self.epoch_batches)

    @property
    def is_global_zero(self) -> bool:
        """Whether this is rank 0, which alone writes and prints."""
        return self.communicator.rank == 0

    @property
    def dtype(self) -> Any:
        """Data type of the module's parameters."""
        return next((parameter.dtype for parameter in self.module.parameters()), "float32")

    @property
    def checkpointing(self) -> Checkpointing:
        """The object that saves and restores the training; available after `fit` has started."""
        if self.loop is None:
            raise RuntimeError(
                "Trainer: there is no training to save, as fit has not run; write the model to a "
                'file with model.save("model.safetensors")'
            )
        return self.loop.checkpointing

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.progress.step

    @property
    def epoch(self) -> int:
        """The current or just completed epoch, counted from 1."""
        return self.progress.epoch

    @property
    def status(self) -> str:
        """One of "idle", "running", "finished", "interrupted" and "failed"."""
        return self.progress.status

    @property
    def stop_reason(self) -> str | None:
        """Reason given to `stop`; None if it was not called."""
        return self.progress.stop_reason

    @property
    def interrupt(self) -> Interrupt:
        """Signals that request a stop."""
        return self.progress.interrupt

    @property
    def elapsed(self) -> float:
        """Seconds since the training started; several ranks use the time of their agreement."""
        return self.progress.elapsed

    @property
    def metrics(self) -> dict[str, float]:
        """Latest value of everything that was logged."""
        return self.progress.metrics

    @property
    def history(self) -> History:
        """Everything that was logged."""
        return self.progress.history

    @property
    def max_epochs(self) -> int | None:
        """Epochs to train; may be set between two calls of `fit`."""
        return self.limits.max_epochs

    @max_epochs.setter
    def max_epochs(self, epochs: int | None) -> None:
        self.limits.max_epochs = parse_count("max_epochs", epochs, 0, optional=True)

    @property
    def max_steps(self) -> int | None:
        """Optimizer steps to make."""
        return self.limits.max_steps

    @max_steps.setter
    def max_steps(self, steps: int | None) -> None:
        self.limits.max_steps = parse_count("max_steps", steps, 0, optional=True)

    @property
    def max_time(self) -> float | None:
        """Seconds to train; "HH:MM:SS" or "10 min" can be set."""
        return self.limits.max_time

    @max_time.setter
    def max_time(self, duration: float | str | None) -> None:
        self.limits.max_time = parse_duration("max_time", duration)

    @property
    def train_loader(self) -> Any:
        """Loader of the training batches; set it to train on others from the next epoch on."""
        return self.data.train_loader

    @train_loader.setter
    def train_loader(self, loader: Any) -> None:
        self.data.train_loader = loader

    @property
    def val_loader(self) -> Any:
        """Loader of the validation batches; None without validation."""
        return self.data.val_loader
