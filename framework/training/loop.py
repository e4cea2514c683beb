"""The parts of the loop in `Trainer.fit`: epochs and batches, counting, logging, saving.

``trainer.at_boundary`` tells whether a training could go on exactly from here: after a step, an
epoch's start or its end, when all callbacks are through with it; not within.
"""

import warnings
from itertools import islice

from firstlight.checkpoints import snapshot
from firstlight.distributed.sharding import shards
from firstlight.fast.cuda.uploads import uploading
from firstlight.training import checks
from firstlight.training.agreement import agree
from firstlight.training.evaluation import evaluate


def begin_epoch(trainer, hook):
    """Start the next epoch, or go on with one in the middle of which a checkpoint was made."""
    trainer.module.train()
    trainer.epoch_started = trainer.elapsed
    if trainer.epoch_done:
        trainer.at_boundary = False
        trainer.epoch, trainer.epoch_done = trainer.epoch + 1, False
        hook.on_train_epoch_start(trainer=trainer, module=trainer.module)
        trainer.at_boundary = True
    elif trainer.owes_validation:
        trainer.at_boundary = False
        validate_by_steps(trainer)
        trainer.at_boundary = True
        save_requested(trainer)


def train_batches(trainer):
    """Yield ``(batch, ends_window)``: whether the optimizer steps after this batch."""
    first, count = trainer.batches_done, trainer.epoch_batches
    if first == count or trainer.interrupted or (first and trainer.should_stop):
        return  # the last two: resumed where only the epoch's end was missing
    # A loader of ours starts at the batch it was told; of others the first ones are passed over.
    knows_its_place = hasattr(trainer.train_loader, "load_state_dict")
    passed_over = 0 if knows_its_place else first
    if passed_over and not isinstance(trainer.train_loader, (list, tuple)):
        warnings.warn(
            f"{type(trainer.train_loader).__name__} has no state_dict and load_state_dict, so "
            f"its first {first} batches are passed over; unless it gives the same ones in the same "
            "order each time, the training differs from one that was not broken off",
            stacklevel=3,
        )
    batches = shards(trainer.train_loader, trainer.communicator)
    batches = islice(batches, passed_over, passed_over + count - first)
    ends_window = trainer.accumulation.windows(trainer.epoch, count)
    with uploading(trainer.device, trainer.dtype) as upload:
        for batch in batches:
            index = trainer.batches_done
            trainer.at_boundary = False
            trainer.batch_idx, trainer.batches_done = index, index + 1
            trainer.batch = upload(batch)
            yield trainer.batch, ends_window(index)
            trainer.at_boundary = ends_window(index)
    trainer.batch = None
    if trainer.batches_done < count:
        raise ValueError(
            f"the training loader promised {count} batches (its len()) and gave "
            f"{trainer.batches_done}; a generator, for one, can be gone through once only"
        )


def is_skipped(trainer):
    """Return whether a callback asked to leave this step out, and drop its gradient then."""
    skips, trainer.skips_step = trainer.skips_step, False
    if skips:
        trainer.optimizer.zero_grad()
    return skips


def count_step(trainer):
    """Count an optimizer step, and log the training means when they are due."""
    trainer.step += 1
    if trainer.step == 1:
        checks.all_undone(trainer.module)
    if trainer.step % trainer.log_every_n_steps == 0:
        record = trainer.means.of_window() | {"lr": trainer.optimizer.lr}
        if trainer.optimizer.loss_scale is not None:
            record["loss_scale"] = trainer.optimizer.loss_scale.value()
        trainer.log(record)
        checks.finite_loss(trainer, record)


def validate_by_steps(trainer):
    """Validate if that is due after this step; broken off, it is made when resuming."""
    if _validation_due(trainer, "steps", trainer.step):
        metrics = evaluate(trainer, trainer.val_loader, "val", may_stop=True)
        trainer.owes_validation = metrics is None
        if metrics is not None:
            trainer.log(metrics)
            checks.finite_loss(trainer, metrics)
        trainer.module.train()


def is_over(trainer):
    """Return whether the training ends here: interrupted, past the last epoch, or told to stop.

    An epoch that a resumed training finds open is ended even if no further step may be made. A
    resume with fewer epochs may be past the last one.
    """
    if trainer.interrupted:
        return True
    if trainer.max_epochs is not None and trainer.epoch + trainer.epoch_done > trainer.max_epochs:
        return True
    return trainer.epoch_done and trainer.should_stop


def end_step(trainer):
    """Validate and save where that is due; ranks agree on it."""
    validate_by_steps(trainer)
    agree(trainer)
    if trainer.run is not None:
        trainer.run.check(trainer)
    save_requested(trainer)


def end_epoch(trainer, hook):
    """Validate, log the epoch and tell the callbacks.

    An epoch that is interrupted, before or in its validation even, stays open: resuming
    finishes it. Checkpoints of one that is cut short by a stop hold the state after its last
    step: a resume ends it again, or, if it may go on, continues as if it had not been cut.
    """
    trainer.at_boundary = True
    if trainer.interrupted:
        return
    checks.all_undone(trainer.module)
    if trainer.run is not None and trainer.batches_done < trainer.epoch_batches:
        trainer.cut_short = snapshot.take(trainer)
    metrics = {}
    if _validation_due(trainer, "epochs", trainer.epoch):
        metrics = evaluate(trainer, trainer.val_loader, "val", may_stop=True)
        if metrics is None:
            return
    trainer.at_boundary = False
    record = trainer.means.of_epoch() | metrics
    seconds = round(trainer.elapsed - trainer.epoch_started, 4)
    trainer.log(record | {"lr": trainer.optimizer.lr, "epoch_seconds": seconds})
    checks.finite_loss(trainer, record)
    trainer.epoch_done, trainer.batches_done = True, 0
    hook.on_train_epoch_end(trainer=trainer, module=trainer.module)
    trainer.at_boundary = True
    agree(trainer)
    save_requested(trainer)


def save_requested(trainer):
    """Write the checkpoints that callbacks asked for; after an epoch's last step, at its end."""
    if trainer.requested and (trainer.epoch_done or trainer.batches_done < trainer.epoch_batches):
        trainer.save_requested()


def _validation_due(trainer, unit, count):
    return (
        trainer.val_loader is not None
        and trainer.val_unit == unit
        and count % trainer.val_every == 0
    )
