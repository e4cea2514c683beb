"""The parts of the loop in `Trainer.fit`: epochs, batches, boundaries, the end of a training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from firstlight.checkpoints.snapshot import Checkpointing
from firstlight.distributed.sharding import shards
from firstlight.runs import owner
from firstlight.support.batches import describe_batch
from firstlight.training import checks, hook_failures, optimizer_checks
from firstlight.training.agreement import Agreement, agree, check_alike
from firstlight.training.process import blas_threads
from firstlight.training.step import EagerStep, make_step
from firstlight.training.uploads import uploading

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.trainer import Trainer
    from firstlight.training.evaluation import Evaluator

LOSSES: tuple[str, ...] = ("train_loss_step", "train_loss", "val_loss")


class Loop:
    """Epochs, batches and boundaries of one training; only this class writes `Progress`.

    Parameters
    ----------
    trainer : Trainer
        With module, data, optimizer and hooks.
    evaluator : Evaluator
        Of the same module.

    Attributes
    ----------
    step : EagerStep, CapturedStep or HandStep
        Forward, loss and backward of a batch.
    checkpointing : Checkpointing
    evaluator : Evaluator
        Evaluates the validation data.
    """

    module: Module
    checkpointing: Checkpointing
    step: EagerStep

    def __init__(self, trainer: Trainer, evaluator: Evaluator) -> None:
        self._trainer, self.module, self._optimizer = trainer, trainer.module, trainer.optimizer
        self._progress, self._limits, self._data = trainer.progress, trainer.limits, trainer.data
        self._hook, self._communicator = trainer.hooks.calls, trainer.communicator
        self.checkpointing = Checkpointing(trainer)
        self.evaluator: Evaluator = evaluator
        optimizer_checks.stepped_by_hand(
            self.module, trainer.accumulation.schedule, self._communicator.size
        )
        self.step = make_step(
            *(self.module, self._optimizer, trainer.accumulation, self._progress),
            trainer.hooks,
            device=trainer.device,
            capture=trainer.capture,
        )
        guards = (getattr(callback, "guards_loss", False) for callback in trainer.callbacks)
        self._warns_of_loss = not any(guards)

    # --- the whole training ------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the training, and finish it even after an exception.

        Each callback's ``on_fit_end`` is called, and the run folder records the final status. An
        exception propagates, with notes about its origin.
        """
        trainer, progress, failure = self._trainer, self._progress, None
        batch_size = getattr(self._data.train_loader, "batch_size", 1)
        run = trainer.run
        watching = nullcontext() if run is None else run.watching(trainer)
        with progress.interrupt, blas_threads(self.module, batch_size), watching:
            try:
                self._hook.on_fit_start()
                self.checkpointing.place = None  # frees the checkpoint's arrays
                self._agree()
                yield
                if trainer.run is not None:
                    trainer.run.check(trainer, now=True)
                progress.interrupt.ending = True  # ignore signals from here on
                progress.status = "interrupted" if trainer.interrupted else "finished"
            except BaseException as error:
                failure = error
                self._fail(error)
                raise
            finally:
                broken = self._end(failure)
                if failure is None and broken is not None:
                    raise broken

    def is_over(self) -> bool:
        """Return whether the training ends here: interrupted, past the last epoch, or stopped.

        If a training is resumed within an epoch, that epoch is ended even if the limits allow no
        further step. A resume with fewer epochs may be past the last one.
        """
        progress, max_epochs = self._progress, self._limits.max_epochs
        if progress.interrupt.requested:
            return True
        if max_epochs is not None and progress.epoch + progress.epoch_done > max_epochs:
            return True
        return progress.epoch_done and self._trainer.should_stop

    def _fail(self, error):
        """Add notes about its origin to an exception, and call ``on_exception``."""
        trainer, progress, run = self._trainer, self._progress, self._trainer.run
        if run is not None and (isinstance(error, owner.RunTakenOver) or run.owner.inherited):
            trainer.leave_run()
        progress.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        hook_failures.blame(trainer.hooks, error)
        if progress.batch is not None:
            error.add_note(
                f"while training {type(self.module).__name__}, epoch {progress.epoch}, "
                f"batch {progress.batch_idx} {describe_batch(progress.batch)}"
            )
        if isinstance(error, Exception):
            failures = self._call_all("on_exception", exception=error)
            hook_failures.note_failures(error, failures)

    def _end(self, failure):
        """Call every ``on_fit_end``, finish all files, and return the first failure."""
        trainer, progress = self._trainer, self._progress
        progress.interrupt.ending = True  # a further Ctrl-C must not interrupt this
        broken = self._call_all("on_fit_end")
        with hook_failures.collecting(broken, trainer.hooks):
            self.checkpointing.writer.close()
        failure = failure or next(iter(broken), None)
        if broken and failure is broken[0]:
            by_hand = isinstance(failure, KeyboardInterrupt)
            progress.status = "interrupted" if by_hand else "failed"
        if trainer.run is not None:
            with hook_failures.collecting(broken, trainer.hooks):
                trainer.run.finish(trainer, failure)
        failure = failure or next(iter(broken), None)
        if failure is not None:
            hook_failures.note_failures(failure, broken)
        return failure

    def _call_all(self, hook, **arguments):
        who = {"trainer": self._trainer, "module": self.module}
        return hook_failures.call_all(self._trainer.hooks, hook, **who, **arguments)

    # --- epochs ------------------------------------------------------------------------------

    def begin_epoch(self) -> None:
        """Start the next epoch, or continue the one that the checkpoint was saved in."""
        progress = self._progress
        self.module.train()
        progress.epoch_started = progress.elapsed
        if progress.epoch_done:
            progress.at_boundary = progress.skips_epoch = False
            progress.epoch, progress.epoch_done = progress.epoch + 1, False
            self._hook.on_train_epoch_start()
            progress.at_boundary = True
        elif progress.owes_validation:
            progress.at_boundary = False
            self._validate_by_steps()
            progress.at_boundary = True
            self._write_requested()

    def end_epoch(self) -> None:
        """Validate, log the epoch and call ``on_train_epoch_end``.

        If the epoch is interrupted, even in its validation, it stays open, and a resume finishes
        it. If a stop cuts it short, its checkpoints hold the state after its last step. A resume
        then ends the epoch again, or, with a higher limit, continues it.
        """
        trainer, progress = self._trainer, self._progress
        progress.at_boundary = True
        if progress.interrupt.requested:
            return
        checks.all_undone(self.module)
        if trainer.run is not None and not self.checkpointing.epoch_is_through():
            self.checkpointing.cut_short = self.checkpointing.take()
        metrics = {}
        if self._data.val_loader is not None and self._limits.validates_epoch(progress.epoch):
            metrics = self.evaluator.evaluate(self._data.val_loader, "val", progress.interrupt)
            if metrics is None:
                return
        progress.at_boundary = False
        if progress.epoch == 1:
            optimizer_checks.all_stepped(self.module, self._optimizer)
        record = progress.means.of_epoch() | metrics
        seconds = round(progress.elapsed - progress.epoch_started, 4)
        self._log(record | self._rates() | {"epoch_seconds": seconds})
        progress.epoch_done, progress.batches_done = True, 0
        self._hook.on_train_epoch_end()
        progress.at_boundary = True
        self._agree()
        self._write_requested()

    # --- batches and steps -------------------------------------------------------------------

    def batches(self) -> Iterator[tuple[Any, bool]]:
        """Yield ``(batch, ends_window)``: whether the optimizer steps after this batch."""
        progress, loader = self._progress, self._data.train_loader
        first, count = progress.batches_done, self._trainer.epoch_batches
        if first == count or progress.interrupt.requested or progress.skips_epoch:
            return
        if first and self._trainer.should_stop:  # resumed to end the epoch only
            return
        # Our loaders start at their restored position; the first batches of others are discarded.
        discarded = 0 if hasattr(loader, "load_state_dict") else first
        if discarded and not isinstance(loader, (list, tuple)):
            warnings.warn(
                f"{type(loader).__name__} has no state_dict and load_state_dict, so its first "
                f"{first} batches are skipped; unless it gives the same ones in the same order "
                "each time, the training differs from an uninterrupted one",
                stacklevel=3,
            )
        batches = islice(shards(loader, self._communicator), discarded, discarded + count - first)
        ends_window = self._trainer.accumulation.windows(progress.epoch, count)
        with uploading(self._trainer.device, self._trainer.dtype) as upload:
            for index, batch in enumerate(batches, first):
                progress.at_boundary = False
                progress.batch_idx, progress.batches_done = index, index + 1
                progress.batch = upload(batch)
                returned = self._hook.on_train_batch_start(batch=progress.batch, batch_idx=index)
                if returned and any(isinstance(r, int) and r == -1 for r in returned):
                    raise TypeError(  # Lightning ends the epoch
                        "on_train_batch_start returned -1, which has no effect; call "
                        "trainer.skip_epoch() instead"
                    )
                if not progress.skips_epoch:
                    yield progress.batch, ends_window(index)
                    progress.at_boundary = ends_window(index)
                if progress.skips_epoch:
                    if not progress.at_boundary:
                        self._optimizer.zero_grad()  # the open window is dropped, with its step
                        progress.skips_step = False
                    break
        progress.batch = None
        if progress.batches_done < count and not progress.skips_epoch:
            raise ValueError(
                f"the training loader promised {count} batches (its len()) and gave "
                f"{progress.batches_done}; a generator, for example, can be iterated only once"
            )

    def step_is_skipped(self) -> bool:
        """Return whether a callback requested to skip this step; if so, zero its gradient.

        A step by hand, in which an optimizer has stepped before the request, counts.
        """
        skips, self._progress.skips_step = self._progress.skips_step, False
        if self.module.steps_by_hand and self._optimizer.stepped:
            return False
        if skips:
            self._optimizer.zero_grad()
        return skips

    def count_step(self) -> None:
        """Count an optimizer step, and log the training means when they are due."""
        progress = self._progress
        progress.step += 1
        if progress.step == 1:
            checks.all_undone(self.module)
        if progress.step % self._trainer.log_every_n_steps == 0:
            record = progress.means.of_window() | self._rates()
            if self._optimizer.loss_scale is not None:
                record["loss_scale"] = self._optimizer.loss_scale.value()
            self._log(record)

    def end_step(self) -> None:
        """Validate if due, agree with the other ranks, and write the requested checkpoints."""
        self._validate_by_steps()
        self._agree()
        if self._trainer.run is not None:
            self._trainer.run.check(self._trainer)
        self._write_requested()

    # --- at a boundary -----------------------------------------------------------------------

    def _validate_by_steps(self):
        """Validate if due after this step; an interrupted validation is repeated on resume."""
        progress, trainer = self._progress, self._trainer
        if self._data.val_loader is not None and self._limits.validates_step(trainer):
            metrics = self.evaluator.evaluate(self._data.val_loader, "val", progress.interrupt)
            progress.owes_validation = metrics is None
            if metrics is not None:
                progress.validated = self._limits.validation_place(trainer)
                self._log(metrics)
            self.module.train()

    def _log(self, record):
        """Log a record, and warn, once a training, if a loss in it is not finite.

        Losses are checked only when they are logged: on a GPU every check makes the host wait.
        """
        self._trainer.log(record)
        bad = [name for name in LOSSES if not math.isfinite(record.get(name, 0.0))]
        if not bad or not self._warns_of_loss:
            return
        self._warns_of_loss = False
        warnings.warn(
            f"{bad[0]} is {record[bad[0]]} at step {self._progress.step}, epoch "
            f"{self._progress.epoch}, and the training continues; "
            'callbacks=["nan_guard"] (--callback nan_guard) stops at the first such step and names '
            "the layer, `firstlight check` looks for the cause; often lr is too high",
            stacklevel=3,
        )

    def _rates(self):
        """Return ``{"lr": 0.001}``, or the learning rates of several optimizers as ``lr/name``."""
        found = self._optimizer.by_name().items()
        return {f"lr/{name}" if name else "lr": optimizer.lr for name, optimizer in found}

    def _agree(self):
        """Share signals, requests and clocks with the other ranks.

        It is called before the first step and after each. Before a checkpoint is saved, the
        ranks' training means are collected. Every ``check_every`` steps the ranks' parameters
        are compared; see `firstlight.training.agreement.check_alike`.
        """
        communicator, progress = self._communicator, self._progress
        if communicator.size == 1:
            return
        own = progress.clock()
        heard, saves = progress.interrupt.heard, bool(progress.requested)
        mine = Agreement(heard, progress.stop_reason, saves, progress.skips_epoch, own)
        agreed = agree(communicator, mine)
        progress.agreed_elapsed = agreed.elapsed
        progress.stop_reason, progress.skips_epoch = agreed.stop_reason, agreed.skips_epoch
        if agreed.signal:
            progress.interrupt.agree_on(agreed.signal)
        if agreed.saves or self._trainer.should_stop:
            progress.means.gather_shares()
        if progress.step % communicator.check_every == 0:
            check_alike(communicator, self.module, progress.step)

    def _write_requested(self):
        """Write requested checkpoints; those of an epoch's last step are written at its end."""
        progress, checkpointing = self._progress, self.checkpointing
        if progress.requested and (progress.epoch_done or not checkpointing.epoch_is_through()):
            checkpointing.write_requested()
