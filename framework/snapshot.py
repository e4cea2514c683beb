"""Snapshots: from a training to a `Checkpoint` and back."""

from pathlib import Path

from firstlight import rng
from firstlight.checkpoint import Checkpoint


def take(trainer):
    """Return a `Checkpoint` of a training, with what callbacks add to it."""
    loader = trainer.train_loader
    checkpoint = Checkpoint(
        model=trainer.module.state_dict(),
        optimizer=trainer.optimizer.state_dict(),
        step=trainer.step,
        epoch=trainer.epoch,
        loader=loader.state_dict() if hasattr(loader, "state_dict") else {},
        rng=rng.state_dict(),
        callbacks=callback_states(trainer.callbacks),
        metrics=dict(trainer.metrics),
        config=trainer.config,
    )
    trainer.hooks.hook.on_save_checkpoint(
        trainer=trainer, module=trainer.module, checkpoint=checkpoint
    )
    return checkpoint


def callback_states(callbacks):
    """Return the state of each callback that has one, by class name and place among its like."""
    states, seen = {}, {}
    for callback in callbacks:
        name = type(callback).__qualname__
        seen[name] = seen.get(name, 0) + 1
        state = callback.state_dict() if hasattr(callback, "state_dict") else {}
        if state:
            states[f"{name}.{seen[name]}"] = state
    return states


def load_weights(trainer, module, which):
    """Load the weights of a checkpoint into a module.

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
    checkpoint = Checkpoint.load(path)
    module.load_state_dict(checkpoint.model)
    trainer.hooks.hook.on_load_checkpoint(trainer=trainer, module=module, checkpoint=checkpoint)
