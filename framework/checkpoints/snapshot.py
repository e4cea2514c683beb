"""Snapshots: from a training to a `Checkpoint` and back."""

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from firstlight.checkpoints.format import LAST, Checkpoint
from firstlight.runs.history import History
from firstlight.runs.masking import masked
from firstlight.support import rng
from firstlight.support.arguments import for_json
from firstlight.support.backend import to_host
from firstlight.support.state import entries


def take(trainer):
    """Return a `Checkpoint` of a training, with what callbacks add to it; arrays are copies."""
    optimizer = trainer.optimizer.state_dict()
    arrays = {name: np.array(to_host(a)) for name, a in optimizer.pop("arrays").items()}
    optimizer = _plain(f"{type(trainer.optimizer).__name__}.state_dict", optimizer)
    checkpoint = Checkpoint(
        model=trainer.module.state_dict(),
        optimizer=optimizer | {"arrays": arrays},
        step=trainer.step,
        epoch=trainer.epoch,
        progress={
            "epoch_done": trainer.epoch_done,
            "batches_done": trainer.batches_done,
            "elapsed": trainer.elapsed,
            "means": trainer.means.state_dict(),
            "metrics": dict(trainer.metrics),
            "history": list(trainer.history.records),
            "owes_validation": trainer.owes_validation,
            "stop_reason": trainer.stop_reason,
        },
        loaders={
            "train": _train_place(trainer),
            "val": _place(trainer.val_loader, over=True),
        },
        rng=rng.state_dict()
        | {"modules": {n: g.bit_generator.state for n, g in generators(trainer.module)}},
        callbacks=callback_states(trainer.callbacks),
        config=masked(trainer.config),
    )
    trainer.hooks.hook.on_save_checkpoint(
        trainer=trainer, module=trainer.module, checkpoint=checkpoint
    )
    checkpoint.extra = _plain("on_save_checkpoint: checkpoint.extra", checkpoint.extra)
    return checkpoint


def save(trainer, path):
    """Write a `Checkpoint` of a training; of several ranks, the first does so."""
    if trainer.is_global_zero:
        take(trainer).save(path)


def write_requested(trainer):
    """Have the checkpoints written that callbacks asked for; of several ranks, by the first."""
    requested, trainer.requested = trainer.requested, {}
    if not requested or not trainer.is_global_zero:
        return
    whole = trainer.cut_short or take(trainer)
    trainer.writer.write(
        {path: _variant(trainer, whole, path, weights) for path, weights in requested.items()}
    )


def _variant(trainer, whole, path, weights_only):
    """Return what a file is to hold: all, the weights, or how an epoch that was cut short closed.

    *last* is the state before that, whether or not it was written before.
    """
    if weights_only:
        return whole.weights()
    if trainer.cut_short is None or path.name == LAST:
        return whole
    return replace(whole, progress=whole.progress | {"closing": dict(trainer.metrics)})


def restore(trainer, checkpoint):
    """Put a training that is ready to start where a checkpoint was taken.

    A stop that was decided then is not restored: `firstlight.checkpoints.resume` tells whether it
    holds.

    Raises
    ------
    ValueError
        The checkpoint is of weights only, or of another model, optimizer or data.
    """
    if not checkpoint.optimizer:
        raise ValueError("the checkpoint holds weights only; a training cannot go on from it")
    trainer.module.load_state_dict(checkpoint.model)
    trainer.optimizer.load_state_dict(checkpoint.optimizer)
    trainer.step, trainer.epoch = checkpoint.step, checkpoint.epoch
    progress = checkpoint.progress
    trainer.epoch_done = progress["epoch_done"]
    trainer.batches_done = progress["batches_done"]
    trainer.owes_validation = progress["owes_validation"]
    trainer.started = time.perf_counter() - progress["elapsed"]
    trainer.means.load_state_dict(progress["means"])
    trainer.metrics = dict(progress["metrics"])
    trainer.history = History(progress["history"])
    for callback, state in _with_states(trainer.callbacks, checkpoint.callbacks):
        callback.load_state_dict(state)
    trainer.hooks.hook.on_load_checkpoint(
        trainer=trainer, module=trainer.module, checkpoint=checkpoint
    )
    for loader, place in (  # after the callbacks, which may have put in another loader
        (trainer.train_loader, checkpoint.loaders["train"]),
        (trainer.val_loader, checkpoint.loaders["val"]),
    ):
        if place and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(place)
    rng.load_state_dict(checkpoint.rng)  # last: whatever was drawn above does not count
    for name, generator in generators(trainer.module):
        if name in checkpoint.rng["modules"]:
            generator.bit_generator.state = checkpoint.rng["modules"][name]


def generators(module):
    """Yield ``(name, generator)`` for the random generators that modules keep for themselves."""
    for prefix, owner in module.named_modules():
        for name, value in entries(owner):
            if isinstance(value, np.random.Generator):
                yield f"{prefix}.{name}", value


def _train_place(trainer):
    """Return the training loader's place: after the batches trained, not those handed out."""
    over = trainer.epoch_done or trainer.batches_done == trainer.epoch_batches
    place = _place(trainer.train_loader, over)
    return place if over or "batch" not in place else place | {"batch": trainer.batches_done}


def _place(loader, over):
    """Return where a loader stands; at the start of its next epoch if this one is over."""
    if not hasattr(loader, "state_dict"):
        return {}
    place = _plain(f"{type(loader).__name__}.state_dict", loader.state_dict())
    if over and place.get("batch"):
        place |= {"epoch": place["epoch"] + 1, "batch": 0}
    return place


def callback_states(callbacks):
    """Return the state of each callback that has one, by class name and place among its like."""
    states = {
        name: _plain(f"callback {type(callback).__name__}.state_dict", callback.state_dict())
        for name, callback in _named(callbacks)
    }
    return {name: state for name, state in states.items() if state}


def _plain(who, state):
    """Return a copy of a JSON-able state, which is written later, when the state has moved on."""
    try:
        return json.loads(json.dumps(state, default=for_json))
    except TypeError as error:
        raise TypeError(
            f"{who} cannot be saved in a checkpoint: {error}; return dicts, lists, texts and "
            "numbers, no arrays or objects"
        ) from error


def callback_key(trainer, callback):
    """Return the name under which a checkpoint keeps what belongs to a callback."""
    return next(name for name, other in _named(trainer.callbacks) if other is callback)


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


def load_weights(trainer, module, which):
    """Load the weights of a checkpoint into a module; of several ranks, the first reads it.

    Parameters
    ----------
    trainer : Trainer
    module : Module
    which : {"best", "last"} or path-like
        "best" and "last" are those of the trainer's latest run.

    Raises
    ------
    FileNotFoundError
        There is no such checkpoint; the message lists those there are.
    ValueError
        Damaged, or of another model.
    """
    read = _read_weights(trainer, which) if trainer.is_global_zero else None
    checkpoint = trainer.communicator.gather(read)[0]
    module.load_state_dict(checkpoint.model)
    trainer.hooks.hook.on_load_checkpoint(trainer=trainer, module=module, checkpoint=checkpoint)


def _read_weights(trainer, which):
    path = Path(which)
    if which in ("best", "last"):
        if trainer.run is None:
            raise FileNotFoundError(
                f"checkpoint={which!r}: this trainer has kept no run; give the path of a file"
            )
        path = trainer.run.checkpoints / f"{which}.safetensors"
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.safetensors"))
        raise FileNotFoundError(
            f"checkpoint {str(path)!r} does not exist; "
            f"{'there are: ' + ', '.join(there) if there else 'its folder has none'}"
        )
    return Checkpoint.load(path)
