"""Kept files: verify and recover the files that the state of a `ModelCheckpoint` names."""

import re
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.checkpoints.format import BEST, Checkpoint
from firstlight.support.files import replacing
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from firstlight.callbacks.model_checkpoint import ModelCheckpoint


def name_of(epoch: int, step: int) -> str:
    """Return the file name of one of the k best states."""
    return f"epoch={epoch:03d}-step={step:06d}.safetensors"


def step_of(name: str) -> int:
    """Return the step in a name of `name_of`.

    Raises
    ------
    ValueError
        The name has another form. A checkpoint's state must not point to any other file.
    """
    found = re.fullmatch(r"epoch=\d+-step=(\d+)\.safetensors", str(name))
    if found is None:
        raise ValueError(
            f"ModelCheckpoint: the checkpoint's state names the file {name!r}, expected "
            f"{name_of(1, 100)!r} or the like; it was changed by hand, choose another one"
        )
    return int(found[1])


def recover(owner: "ModelCheckpoint", trainer: Trainer) -> int | None:
    """Verify the files that a restored state names, and copy them into a new run's folder.

    If a file is missing or holds another state, it is written again from the checkpoint, or *best*
    from a kept file, if these hold the named state. Otherwise a warning states the new best: the
    older state in the file, or the next value. A *best* of a later step is kept: the process was
    killed before it wrote *last*, and the resumed training repeats these steps.

    Parameters
    ----------
    owner : ModelCheckpoint
    trainer : Trainer
        About to resume from ``trainer.checkpointing.place``.

    Returns
    -------
    int or None
        The step of a best state that is later than the checkpoint.
    """
    place, named = trainer.checkpointing.place, owner.named()
    here, there = trainer.run.checkpoints / owner.prefix, place.folder / owner.prefix
    held = {name for name, step in named.items() if place.holds(owner.prefix + name, step)}
    if place.run is None:
        for name in held:
            _copy(there / name, here / name)
    else:
        last = trainer.run.checkpoints / place.path.name
        trainer.checkpointing.writer.note(
            last, trainer.step, {here / name: named[name] for name in held}
        )
        if owner.top_k > 0:
            _delete_dropped(here, named, trainer.step)
    again = [name for name in named.keys() - held if named[name] == place.checkpoint.step]
    if again:  # the process was killed after it wrote *last* and before it wrote these
        whole = place.checkpoint.weights() if owner.save_weights_only else place.checkpoint
        trainer.checkpointing.writer.write({here / name: whole for name in again})
    for name in named.keys() - {*held, *again, BEST}:
        owner.forget(name)
        if place.run is not None:  # the old run of a copy may have continued without it
            _warn(f"{str(here / name)!r} is missing or was changed; it is no longer kept")
    lost = BEST in named and BEST not in (*held, *again)
    return _recover_best(owner, trainer, held) if lost else None


def _recover_best(owner: "ModelCheckpoint", trainer: Trainer, held: set[str]) -> int | None:
    place, step = trainer.checkpointing.place, owner.monitor.step
    here, there = trainer.run.checkpoints / owner.prefix, place.folder / owner.prefix
    found, _ = Checkpoint.identity(there / BEST) or (-1, None)
    if found > step and place.run is not None:
        ended = found == place.checkpoint.step and not place.unfinished
        goes_on = ended and not trainer.should_stop
        return None if goes_on and _adopt_end(owner, there / BEST) else found
    twin = next((name for name in held if step_of(name) == step), None)
    if twin is not None:
        _copy(there / twin, here / BEST)
        return None
    lost = owner.monitor.describe_best()
    owner.monitor.reset()
    for record in trainer.history.records:
        if record["step"] == found < step:
            owner.monitor.update(record)
    if place.run is None and owner.monitor.best is not None:
        _copy(there / BEST, here / BEST)
    new = "the next value" if owner.monitor.best is None else "the older state in it"
    _warn(f"{str(there / BEST)!r} is missing or was changed ({lost}); {new} becomes the best")
    return None


def _adopt_end(owner: "ModelCheckpoint", path: Path) -> bool | None:
    """Return whether the end of a training that was cut short in an epoch is the best so far."""
    checkpoint = Checkpoint.load(path)
    place = {"step": checkpoint.step, "epoch": checkpoint.epoch}
    return owner.monitor.update(place | checkpoint.progress.get("closing", {}))


def _delete_dropped(folder: Path, named: dict[str, int], step: int) -> None:
    """Delete files outside the k best that a killed process had not deleted yet."""
    for path in folder.glob("epoch=*-step=*.safetensors"):
        try:
            dropped = step_of(path.name) < step and path.name not in named
        except ValueError:  # not a file of this callback
            continue
        if dropped:
            path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _warn(message: str) -> None:
    warnings.warn(f"resume: {message}", stacklevel=2)
