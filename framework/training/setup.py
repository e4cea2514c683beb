"""Set-up of fit, validate, test and predict: callbacks, data, optimizer, resuming, run folder."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.checkpoints import resume as resuming
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import DataSplits, train_and_val_loaders, unshuffled
from firstlight.distributed.failure import ending_all_ranks
from firstlight.optim.loss_scale import LossScale
from firstlight.optim.optimizers import Optimizers
from firstlight.runs import owner
from firstlight.runs.run import TOKENIZER
from firstlight.support import forms
from firstlight.support.backend import using
from firstlight.support.memory import keep_memory, return_memory
from firstlight.training import optimizer_checks

if TYPE_CHECKING:
    from firstlight.checkpoints.resume import Place
    from firstlight.checkpoints.snapshot import Checkpointing
    from firstlight.data.tokenizers.tokenizer import Tokenizer
    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module
    from firstlight.optim import Optimizer

DEFAULT_CALLBACKS = ("progress_bar", "model_checkpoint", "plots", "sample_results", "tensorboard")
NEED_RUN = ("model_checkpoint", "plots", "sample_results", "tensorboard")


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
        Classes, columns and scale of the training data.
    lines : tuple of str
        About target and columns, to be shown as the training begins.
    """

    train_loader: Any = None
    val_loader: Any = None
    tokenizer: Tokenizer | None = None
    classes: list[str] | None = None
    preprocessing: Preprocessing | None = None
    lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Any, val_data: Any, device: str, overfit: bool) -> TrainingData:
        """Create the loaders for the data passed to `Trainer.fit`."""
        train_loader, val_loader = train_and_val_loaders(data, val_data)
        splits = data if isinstance(data, DataSplits) else None
        for loader in (train_loader, val_loader):
            if hasattr(loader, "keep_on"):
                loader.keep_on(device)
        if overfit:
            train_loader = unshuffled(train_loader)
        if overfit or val_loader is train_loader:
            val_loader = copy.copy(train_loader)  # with its own position
        return cls(
            train_loader,
            val_loader,
            tokenizer=getattr(data, "tokenizer", None),
            classes=getattr(data, "classes", None),
            preprocessing=Preprocessing.of(splits) if splits and not splits.is_nested else None,
            lines=(splits.describe_target(), *splits.describe_encoding()) if splits else (),
        )


@contextmanager
def computing(communicator: Communicator, device: str, precision: str) -> Iterator[None]:
    """Compute on a device, in a precision; an exception on one rank ends all ranks."""
    keep_memory()
    try:
        with on_device(communicator, device, precision):
            yield
    finally:
        return_memory()


@contextmanager
def on_device(communicator: Communicator, device: str, precision: str) -> Iterator[None]:
    """Do the same without changing which memory the process keeps: for a single step."""
    products = _products_in(precision, device)
    with ending_all_ranks(communicator), using(device), products:
        yield


def _products_in(precision: str, device: str) -> AbstractContextManager[None]:
    if device == "cpu" or not forms.has_fast():
        return nullcontext()
    from firstlight.fast.cuda import gemm

    return gemm.precision(precision)


def resolve_callbacks(
    callbacks: Iterable[object] | None,
    default_callbacks: bool,
    runs_dir: Path | str | None,
    metrics: Iterable[object] | None = None,
) -> list[object]:
    """Return the list of callback objects: those given, as objects or names, and the defaults.

    The callback ``metrics`` computes the metrics, if there are any.
    """
    if isinstance(callbacks, str) or not hasattr(callbacks or [], "__iter__"):
        raise TypeError(f"callbacks: expected a list of callbacks or names, got {callbacks!r}")
    found = [_named(item)() if isinstance(item, str) else item for item in callbacks or []]
    if metrics:
        found.append(_named("metrics")(metrics))
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


def make_optimizer(module: Module, precision: str) -> Optimizer | Optimizers:
    """Return the module's optimizers, with gradients of zero and the loss scale of "16"."""
    optimizer = module.configure_optimizer()
    optimizer_checks.returned(module, optimizer, precision)
    if isinstance(optimizer, dict):
        optimizer = Optimizers(optimizer, by_hand=module.steps_by_hand)
    elif precision == "16":
        LossScale(optimizer)
    optimizer.zero_grad()  # gradients of an interrupted training
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

    If restoring fails, the run is released, and the error names the checkpoint.
    """
    found = resuming.find(resume, runs_dir, name) if communicator.rank == 0 else None
    place = communicator.gather(found)[0]  # other ranks may not have the files
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
    """Restore the mode (train or eval) of every submodule when the context ends."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training, part._stack = mode, [] if modes[0][1] else None
