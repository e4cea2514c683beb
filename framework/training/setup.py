"""Set-up of fit, validate, test and predict: callbacks, data, optimizer, resuming, run folder."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.checkpoints import resume as resuming
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import DataSplits, train_and_val_loaders, unshuffled
from firstlight.distributed.failure import ending_all_ranks
from firstlight.fast.cuda.gemm import precision as product_precision
from firstlight.fast.cuda.loss_scale import LossScale
from firstlight.runs import owner
from firstlight.runs.run import TOKENIZER
from firstlight.support import rng
from firstlight.support.backend import using
from firstlight.training import checks, hook_manager
from firstlight.training.process import kept_memory

if TYPE_CHECKING:
    from firstlight.checkpoints.resume import Place
    from firstlight.checkpoints.snapshot import Checkpointing
    from firstlight.data.tokenizers.tokenizer import Tokenizer
    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.trainer import Trainer

DEFAULT_CALLBACKS = ("progress_bar", "model_checkpoint", "plots", "tensorboard")
NEED_RUN = ("model_checkpoint", "plots", "tensorboard")


@dataclass
class TrainingData:
    """The data of one training.

    Attributes
    ----------
    train_loader, val_loader
        Loaders of batches; ``val_loader`` may be None. A callback may replace ``train_loader``
        before the epoch starts.
    tokenizer : Tokenizer or None
    classes : list of str or None
    preprocessing : Preprocessing or None
        What was fitted on the training data.
    target_line : str or None
        Describes the target of tables.
    """

    train_loader: Any = None
    val_loader: Any = None
    tokenizer: Tokenizer | None = None
    classes: list[str] | None = None
    preprocessing: Preprocessing | None = None
    target_line: str | None = None

    @classmethod
    def of(cls, data: Any, val_data: Any, device: str, overfit: bool) -> TrainingData:
        """Make the loaders of what a user gave to `Trainer.fit`."""
        train_loader, val_loader = train_and_val_loaders(data, val_data)
        splits = data if isinstance(data, DataSplits) else None
        for loader in (train_loader, val_loader):
            if hasattr(loader, "keep_on"):
                loader.keep_on(device)
        if overfit:
            train_loader = unshuffled(train_loader)
        if overfit or val_loader is train_loader:
            val_loader = copy.copy(train_loader)  # it has a position of its own
        return cls(
            train_loader,
            val_loader,
            tokenizer=getattr(data, "tokenizer", None),
            classes=getattr(data, "classes", None),
            preprocessing=Preprocessing.of(splits) if splits else None,
            target_line=splits.describe_target() if splits else None,
        )


@contextmanager
def computing(communicator: Communicator, device: str, precision: str) -> Iterator[None]:
    """Compute on a device, in a precision; of several ranks, one that fails ends all."""
    with ending_all_ranks(communicator), using(device), product_precision(precision), kept_memory():
        yield


def resolve_callbacks(
    callbacks: Iterable[object] | None, default_callbacks: bool, runs_dir: Path | str | None
) -> list[object]:
    """Return the list of callback objects: those given, by name too, and the default ones."""
    if isinstance(callbacks, str) or not hasattr(callbacks or [], "__iter__"):
        raise TypeError(f"callbacks: expected a list of callbacks or names, got {callbacks!r}")
    found = [_named(item)() if isinstance(item, str) else item for item in callbacks or []]
    if default_callbacks:
        for name in DEFAULT_CALLBACKS:
            wanted = runs_dir is not None or name not in NEED_RUN
            if wanted and not any(isinstance(item, _named(name)) for item in found):
                found.append(_named(name)())
    return found


def _named(name):
    return plugins.registry("callback").get(name)


def callbacks_of_rank(callbacks: Iterable[object], rank: int) -> list[object]:
    """Return the callbacks to call on a rank: those with ``rank_zero_only`` on rank 0 only."""
    return [c for c in callbacks if rank == 0 or not getattr(c, "rank_zero_only", False)]


def make_optimizer(module: Module, precision: str) -> Optimizer:
    """Return the module's optimizer, with gradients of zero and the loss scale of "16"."""
    optimizer = module.configure_optimizer()
    checks.optimizer(module, optimizer)
    if precision == "16":
        LossScale(optimizer)
    optimizer.zero_grad()  # whatever an earlier training left that was interrupted
    return optimizer


def restore(
    checkpointing: Checkpointing,
    data: TrainingData,
    communicator: Communicator,
    resume: Path | str,
    runs_dir: Path | str | None,
    name: str,
) -> Place | None:
    """Restore the checkpoint that ``resume`` names, and return its place; None for a new start.

    If that fails, the run is left to others, and the message says what was resumed.
    """
    found = resuming.find(resume, runs_dir, name) if communicator.rank == 0 else None
    place = communicator.gather(found)[0]  # the other ranks need not see the files
    if place is None:
        return None
    folder = place.path.parent.parent
    try:
        _check_tokenizer(data.tokenizer, folder / TOKENIZER)
        checkpointing.restore(place)
        if data.preprocessing is not None:
            data.preprocessing.check_resumed(folder)
    except BaseException as error:
        if place.run is not None and communicator.rank == 0:
            owner.owned[place.run.absolute()].release()
        if isinstance(error, ValueError):
            error.add_note(
                f"while resuming from {place.path}: model, optimizer and callbacks must be those "
                "of its run; its settings are in config.json beside the checkpoints"
            )
        raise
    return place


def _check_tokenizer(tokenizer, kept):
    """Raise a ValueError if the resumed run's tokenizer encodes text differently."""
    if tokenizer is None or not kept.is_file():
        return
    from firstlight.data import tokenizers

    if not tokenizers.load(kept).same_as(tokenizer):
        raise ValueError(
            f"resume: the data's {tokenizer!r} is not the run's; the text, or the way it is "
            f"tokenized, has changed: load the data with tokenizer={str(kept)!r}, or start a new "
            "run"
        )


@contextmanager
def modes_kept(module: Module) -> Iterator[None]:
    """Put every part of a module back into its mode (train or eval) when the context ends."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training, part._stack = mode, [] if modes[0][1] else None


def describe(trainer: Trainer) -> dict[str, Any]:
    """Return the ``config.json`` of a training that was set up in Python."""
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
            "limits": trainer.limits.batches,
            "device": trainer.device,
        },
    }
