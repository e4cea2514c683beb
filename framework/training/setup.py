"""What surrounds a training or an evaluation: preparing it, and ending it well."""

import copy
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from firstlight import plugins
from firstlight.checkpoints import resume as resuming
from firstlight.checkpoints import snapshot
from firstlight.data.preprocessing import Preprocessing, suited
from firstlight.data.splits import DataSplits, as_loader, train_and_val_loaders, unshuffled
from firstlight.distributed.failure import together
from firstlight.distributed.setup import shared_place, start_alike
from firstlight.fast.cuda.gemm import precision
from firstlight.fast.cuda.loss_scale import LossScale
from firstlight.runs import owner
from firstlight.runs.run import TOKENIZER, Run
from firstlight.support import rng
from firstlight.support.backend import using
from firstlight.support.batches import describe_batch
from firstlight.training import checks, hook_failures, hook_manager
from firstlight.training.agreement import agree
from firstlight.training.process import blas_threads, kept_memory
from firstlight.training.step import make_passes

DEFAULT_CALLBACKS = ("progress_bar", "model_checkpoint", "plots", "tensorboard")
NEED_RUN = ("model_checkpoint", "plots", "tensorboard")


@contextmanager
def training(trainer, module, data, val_data, resume=None):
    """Prepare a training on the trainer's device and yield its hooks; see `_training`.

    Of several ranks, one that fails ends all.
    """
    with (
        together(trainer.communicator),
        using(trainer.device),
        precision(trainer.precision),
        kept_memory(),
    ):
        with _training(trainer, module, data, val_data, resume) as hook:
            yield hook
        trainer.communicator.barrier()  # nobody leaves while the first still writes


@contextmanager
def _training(trainer, module, data, val_data, resume):
    """Prepare a training and yield its hooks; whatever happens inside, end it well.

    On every way out each callback's ``on_fit_end`` is called, and the run folder says how it
    ended. An exception passes on, with notes that say where it arose.
    """
    _prepare(trainer, module, data, val_data, resume)
    failure = None
    batch_size = getattr(trainer.train_loader, "batch_size", 1)
    with trainer.interrupt, blas_threads(module, batch_size):
        try:
            trainer.hooks.hook.on_fit_start(trainer=trainer, module=module)
            trainer.place = None  # with the checkpoint's arrays
            agree(trainer)
            yield trainer.hooks.hook
            if trainer.run is not None:
                trainer.run.check(trainer, now=True)
            trainer.interrupt.ending = True  # a signal that comes now has not ended the training
            trainer.status = "interrupted" if trainer.interrupted else "finished"
        except BaseException as error:
            failure = error
            _fail(trainer, error)
            raise
        finally:
            broken = _end(trainer, failure)
            if failure is None and broken is not None:
                raise broken


def _end(trainer, failure):
    """Call every ``on_fit_end``, write what is still to be written; return what went wrong."""
    trainer.interrupt.ending = True  # a further Ctrl-C must not break this off
    broken = hook_failures.call_all(
        trainer.hooks, "on_fit_end", trainer=trainer, module=trainer.module
    )
    with hook_failures.collecting(broken, trainer.hooks):
        trainer.writer.close()
    failure = failure or next(iter(broken), None)
    if broken and failure is broken[0]:
        by_hand = isinstance(failure, KeyboardInterrupt)
        trainer.status = "interrupted" if by_hand else "failed"
    if trainer.run is not None:
        with hook_failures.collecting(broken, trainer.hooks):
            trainer.run.finish(trainer, failure)
    failure = failure or next(iter(broken), None)
    if failure is not None:
        hook_failures.note_failures(failure, broken)
    return failure


@contextmanager
def evaluating(trainer, module, checkpoint):
    """Prepare an evaluation outside a training; of several ranks, one that fails ends all.

    Yields ``load(data, split)``, whose loader prepares data as the module's own were.
    """
    kept = _kept_preprocessing(trainer, module, checkpoint)
    with (
        together(trainer.communicator),
        using(trainer.device),
        precision(trainer.precision),
        kept_memory(),
        _evaluating(trainer, module, checkpoint),
    ):
        yield lambda data, split: as_loader(suited(data, kept), split)


def _kept_preprocessing(trainer, module, checkpoint):
    """Return the `Preprocessing` that a module, or the checkpoint of a run, was trained with."""
    if checkpoint is not None and checkpoint not in ("best", "last"):
        return Preprocessing.of_run(Path(checkpoint).parent.parent)
    return trainer.preprocessing if module is trainer.fitted else None


@contextmanager
def _evaluating(trainer, module, checkpoint):
    """Prepare an evaluation, and leave every part in the mode it had."""
    checks.module(module)
    module.to(device=trainer.device)
    modes = [(part, part.training) for part in module.modules()]
    _use(trainer, module)
    trainer.hooks = hook_manager.attach(_of_this_rank(trainer))
    try:
        if checkpoint is not None:
            snapshot.load_weights(trainer, module, checkpoint)
        yield
    except Exception as error:
        hook_failures.blame(trainer.hooks, error)
        raise
    finally:
        for part, mode in modes:
            part.training, part._stack = mode, [] if modes[0][1] else None


def resolve_callbacks(callbacks, default_callbacks, runs_dir):
    """Return the list of callback objects: those given, by name too, and the default ones."""
    if isinstance(callbacks, str) or not hasattr(callbacks or [], "__iter__"):
        raise TypeError(f"callbacks: expected a list of callbacks or names, got {callbacks!r}")
    found = [_named(item)() if isinstance(item, str) else item for item in callbacks or []]
    if default_callbacks:
        for name in DEFAULT_CALLBACKS:
            wanted = runs_dir is not None or name not in NEED_RUN
            if wanted and not any(isinstance(item, _named(name)) for item in found):
                found.append(_named(name)())
    hook_manager.attach(found)  # a bad callback is an error here, not when training starts
    return found


def _named(name):
    return plugins.registry("callback").get(name)


def _prepare(trainer, module, data, val_data, resume):
    checks.module(module)
    hook_manager.refuse_on_modules(module, trainer.callbacks)
    trainer.reset()
    trainer.run = None
    if trainer.seed is not None:
        rng.seed_everything(trainer.seed)
    module.to(device=trainer.device).train()
    trainer.train_loader, trainer.val_loader = train_and_val_loaders(data, val_data)
    trainer.tokenizer = getattr(data, "tokenizer", None)
    trainer.classes = getattr(data, "classes", None)
    splits = isinstance(data, DataSplits)
    trainer.preprocessing = Preprocessing.of(data) if splits else None
    trainer.target_line = data.describe_target() if splits else None
    trainer.fitted = module
    for loader in (trainer.train_loader, trainer.val_loader):
        if hasattr(loader, "keep_on"):
            loader.keep_on(trainer.device)
    if trainer.overfit:
        trainer.train_loader = unshuffled(trainer.train_loader)
        trainer.val_loader = copy.copy(trainer.train_loader)
    elif trainer.val_loader is trainer.train_loader:
        trainer.val_loader = copy.copy(trainer.train_loader)  # it has a place of its own
    if trainer.epoch_batches == 0 and trainer.max_epochs is None:
        raise ValueError("limit_train_batches leaves no batch to train on, and no max_epochs ends")
    trainer.optimizer = module.configure_optimizer()
    checks.optimizer(module, trainer.optimizer)
    if trainer.precision == "16":
        LossScale(trainer.optimizer)
    trainer.optimizer.zero_grad()  # whatever an earlier, broken-off training left
    _use(trainer, module)
    trainer.passes = make_passes(trainer)
    trainer.hooks = hook_manager.attach(_of_this_rank(trainer))
    name = trainer.name or checks.as_run_name(type(module).__name__.lower())
    place = None
    if resume is not None:
        find = partial(resuming.find, resume, trainer.runs_dir, name)
        place = trainer.place = shared_place(trainer.communicator, find)
    if place is not None:
        _restore(trainer, place)
    start_alike(trainer)
    if trainer.runs_dir is not None and trainer.is_global_zero:
        trainer.run = Run(
            trainer.runs_dir,
            name,
            trainer.config or _config(trainer),
            trainer.device,
            folder=None if place is None else place.run,
            records=trainer.history.records,
        )
        if trainer.communicator.size > 1:
            trainer.run.summary["ranks"] = trainer.communicator.size
        trainer.run.keep_preprocessing(trainer)
    trainer.status = "running"


def _restore(trainer, place):
    """Put the training where a checkpoint was taken; where that fails, leave its run free."""
    try:
        _check_tokenizer(trainer.tokenizer, place.path.parent.parent / TOKENIZER)
        snapshot.restore(trainer, place.checkpoint)
        if trainer.preprocessing is not None:
            trainer.preprocessing.check_resumed(place.path.parent.parent)
    except BaseException as error:
        if place.run is not None and trainer.is_global_zero:
            owner.owned[place.run.absolute()].release()
        if isinstance(error, ValueError):
            error.add_note(
                f"while resuming from {place.path}: model, optimizer and callbacks must be those "
                "of its run; its settings are in config.json beside the checkpoints"
            )
        raise
    if place.unfinished:
        trainer.stop_reason = place.checkpoint.progress.get("stop_reason")


def _check_tokenizer(tokenizer, kept):
    """Raise a ValueError if the run to go on from took the same tokens for other text."""
    if tokenizer is None or not kept.is_file():
        return
    from firstlight.data import tokenizers

    if not tokenizers.load(kept).same_as(tokenizer):
        raise ValueError(
            f"resume: the data's {tokenizer!r} is not the run's; the text, or the way it is "
            f"tokenized, has changed: load the data with tokenizer={str(kept)!r}, or start anew"
        )


def _of_this_rank(trainer):
    """Return the callbacks to be called here: on ranks but the first, without those that show."""
    if trainer.is_global_zero:
        return trainer.callbacks
    return [c for c in trainer.callbacks if not getattr(c, "rank_zero_only", False)]


def _use(trainer, module):
    trainer.module = module
    trainer.dtype = next((parameter.dtype for parameter in module.parameters()), "float32")


def _config(trainer):
    """Describe a training that was set up in Python, for ``config.json``."""
    return {
        "model": repr(trainer.module),
        "optimizer": repr(trainer.optimizer),
        "callbacks": [hook_manager.display_name(callback) for callback in trainer.callbacks],
        "seed": rng.current_seed(),
        "trainer": {
            "max_epochs": trainer.max_epochs,
            "max_steps": trainer.max_steps,
            "max_time": trainer.max_time,
            "accumulate_grad_batches": trainer.accumulation.schedule,
            "limits": trainer.limits,
            "device": trainer.device,
        },
    }


def _fail(trainer, error):
    run = trainer.run
    if run is not None and (isinstance(error, owner.RunTakenOver) or run.owner.inherited):
        run.leave()
        trainer.run = None  # nothing that runs from now on may write there
    trainer.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    hook_failures.blame(trainer.hooks, error)
    if trainer.batch is not None:
        error.add_note(
            f"while training {type(trainer.module).__name__}, epoch {trainer.epoch}, "
            f"batch {trainer.batch_idx} {describe_batch(trainer.batch)}"
        )
    if isinstance(error, Exception):
        failures = hook_failures.call_all(
            trainer.hooks,
            "on_exception",
            trainer=trainer,
            module=trainer.module,
            exception=error,
        )
        hook_failures.note_failures(error, failures)
