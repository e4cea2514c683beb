"""Save a training as a `Checkpoint`, and restore it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.checkpoints.format import LAST, Checkpoint
from firstlight.checkpoints.writer import CheckpointWriter
from firstlight.runs.masking import masked
from firstlight.support import rng
from firstlight.support.arguments import for_json
from firstlight.support.backend import to_host
from firstlight.support.files import as_json
from firstlight.support.state import entries

if TYPE_CHECKING:
    from firstlight.checkpoints.resume import Place
    from firstlight.module import Module
    from firstlight.runs.run import Run
    from firstlight.trainer import Trainer


class Checkpointing:
    """Save and restore one training.

    Parameters
    ----------
    trainer : Trainer
        With module, data, optimizer and hooks.

    Attributes
    ----------
    writer : CheckpointWriter
    place : Place or None
        The checkpoint that the training was restored from, until it starts.
    cut_short : Checkpoint or None
        The state after the last step of an epoch that is cut short by a stop.
    """

    writer: CheckpointWriter
    place: Place | None
    cut_short: Checkpoint | None

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._progress = trainer, trainer.progress
        self._module, self._optimizer, self._data = trainer.module, trainer.optimizer, trainer.data
        self._hook = trainer.hooks.calls
        self.writer = CheckpointWriter()
        self.place = self.cut_short = None

    def take(self) -> Checkpoint:
        """Return a `Checkpoint` of the training, with the additions of callbacks."""
        optimizer = self._optimizer.state_dict()
        arrays = {name: np.array(to_host(a)) for name, a in optimizer.pop("arrays").items()}
        optimizer = _plain(f"{type(self._optimizer).__name__}.state_dict", optimizer)
        checkpoint = Checkpoint(
            model=self._module.state_dict(),
            optimizer=optimizer | {"arrays": arrays},
            step=self._progress.step,
            epoch=self._progress.epoch,
            progress=self._progress.state_dict(),
            loaders={
                "train": self._train_position(),
                "val": _position(self._data.val_loader, over=True),
            },
            rng=rng.state_dict()
            | {"modules": {n: g.bit_generator.state for n, g in generators(self._module)}},
            callbacks=callback_states(self._trainer.callbacks),
            config=as_json(masked(self._trainer.config)),
        )
        self._hook.on_save_checkpoint(checkpoint=checkpoint)
        checkpoint.extra = _plain("on_save_checkpoint: checkpoint.extra", checkpoint.extra)
        return checkpoint

    def save(self, path: Path | str) -> None:
        """Write a `Checkpoint` of the training now (rank 0 only)."""
        if self._trainer.is_global_zero:
            self.take().save(path)

    def write_requested(self) -> None:
        """Write the requested checkpoints in the background (rank 0 only)."""
        requested = self._progress.take_requests()
        if not requested or not self._trainer.is_global_zero:
            return
        whole = self.cut_short or self.take()
        self.writer.write(
            {path: self._variant(whole, path, weights) for path, weights in requested.items()}
        )

    def _variant(self, whole, path, weights_only):
        """Return a file's content: the whole state, the weights, or the state with closing metrics.

        The closing metrics are those of an epoch that was cut short. *last* is saved without them.
        """
        if weights_only:
            return whole.weights()
        if self.cut_short is None or path.name == LAST:
            return whole
        return replace(whole, progress=whole.progress | {"closing": dict(self._progress.metrics)})

    def epoch_is_through(self) -> bool:
        """Return whether no batch of the epoch is left to train."""
        done = self._progress.batches_done == self._trainer.epoch_batches
        return done or self._progress.skips_epoch

    def restore(self, place: Place) -> None:
        """Restore the state of a checkpoint, before the training starts.

        A stop requested in the saved run is kept only if that run did not finish.

        Raises
        ------
        ValueError
            The checkpoint holds weights only, or another model, optimizer or data.
        """
        self.place, checkpoint = place, place.checkpoint
        if not checkpoint.optimizer:
            raise ValueError("the checkpoint holds weights only; a training cannot resume from it")
        self._module.load_state_dict(checkpoint.model)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        kept = {} if place.unfinished else {"stop_reason": None}
        self._progress.load_state_dict(
            checkpoint.step, checkpoint.epoch, checkpoint.progress | kept
        )
        for callback, state in _with_states(self._trainer.callbacks, checkpoint.callbacks):
            callback.load_state_dict(state)
        self._hook.on_load_checkpoint(checkpoint=checkpoint)
        for loader, position in (  # after the callbacks, which may have replaced a loader
            (self._data.train_loader, checkpoint.loaders["train"]),
            (self._data.val_loader, checkpoint.loaders["val"]),
        ):
            if not position or not hasattr(loader, "load_state_dict"):
                continue
            # Other data than those by name start at their beginning.
            if "by_name" not in position or "by_name" in loader.state_dict():
                loader.load_state_dict(position)
        rng.load_state_dict(checkpoint.rng)  # last, as the calls above may draw numbers
        for name, generator in generators(self._module):
            if name in checkpoint.rng["modules"]:
                generator.bit_generator.state = checkpoint.rng["modules"][name]

    def _train_position(self):
        """Return the training loader's position after the trained batches, not the loaded ones."""
        over = self._progress.epoch_done or self.epoch_is_through()
        position = _position(self._data.train_loader, over)
        if over or "batch" not in position:
            return position
        return position | {"batch": self._progress.batches_done}


def generators(module: Module) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield ``(name, generator)`` for the random generators that modules keep as attributes."""
    for prefix, owner in module.named_modules():
        for name, value in entries(owner):
            if isinstance(value, np.random.Generator):
                yield f"{prefix}.{name}", value


def _position(loader, over):
    """Return a loader's position; the start of its next epoch if this one is over."""
    if not hasattr(loader, "state_dict"):
        return {}
    position = _plain(f"{type(loader).__name__}.state_dict", loader.state_dict())
    for one in position.get("by_name", {"": position}).values():
        if over and one.get("batch"):
            one |= {"epoch": one["epoch"] + 1, "batch": 0}
    return position


def callback_states(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Return the state of each callback that has one, by class name and number."""
    states = {
        name: _plain(f"callback {type(callback).__name__}.state_dict", callback.state_dict())
        for name, callback in _named(callbacks)
    }
    return {name: state for name, state in states.items() if state}


def _plain(who, state):
    """Return a copy of a JSON-able state; it is written later, in the background."""
    try:
        return json.loads(json.dumps(state, default=for_json))
    except TypeError as error:
        raise TypeError(
            f"{who} cannot be saved in a checkpoint: {error}; return dicts, lists, texts and "
            "numbers, no arrays or objects"
        ) from error


def callback_key(callbacks: Iterable[Any], callback: object) -> str:
    """Return the name of a callback's state in a checkpoint."""
    return next(name for name, other in _named(callbacks) if other is callback)


def _with_states(callbacks, states):
    """Yield ``(callback, state)`` for the callbacks that have a saved state."""
    named = dict(_named(callbacks))
    for name, state in states.items():
        if name in named:
            yield named[name], state
        else:
            warnings.warn(
                f"the checkpoint has a state of callback {name.rpartition('.')[0]}, "
                "which this training does not use",
                stacklevel=2,
            )


def _named(callbacks):
    seen = {}
    for callback in callbacks:
        name = type(callback).__qualname__
        seen[name] = seen.get(name, 0) + 1
        if hasattr(callback, "state_dict"):
            yield f"{name}.{seen[name]}", callback


def read_weights(which: Path | str, run: Run | None) -> Checkpoint:
    """Read the checkpoint of a module's weights.

    Parameters
    ----------
    which : {"best", "last"} or path-like
    run : Run or None
        The run that "best" and "last" refer to.

    Raises
    ------
    FileNotFoundError
        There is no such checkpoint; the message lists the existing ones.
    ValueError
        The file is damaged.
    """
    path = Path(which)
    if which in ("best", "last"):
        if run is None:
            raise FileNotFoundError(
                f"checkpoint={which!r}: this trainer has kept no run; give the path of a file"
            )
        path = run.checkpoints / f"{which}.safetensors"
    if not path.is_file():
        names = sorted(p.name for p in path.parent.glob("*.safetensors"))
        hint = (
            f"there are: {', '.join(names)}; give the path of one"
            if names
            else ("its folder has none: a run saves its first one after the first epoch")
        )
        raise FileNotFoundError(f"checkpoint {str(path)!r} does not exist; {hint}")
    return Checkpoint.load(path)
