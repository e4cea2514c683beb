"""Find the first layer in which a number stopped being one."""

from typing import Any

import numpy as np

from firstlight.trainer import Trainer
from firstlight.training.dry_runs import dry_run

PHASES = ("forward", "backward")


def first_not_finite(trainer: Trainer):
    """Go through the latest batch again, and say where a value first is NaN or infinite.

    Forward, loss and backward are made again with every module watched, and leave no trace.

    Parameters
    ----------
    trainer : Trainer
        Before its optimizer step, so that the weights are still those that the batch met.

    Returns
    -------
    str or None
        E.g. ``"the forward of body.3 (Linear)"``; None if all is finite this time: the fault is
        in an earlier batch of an accumulated step, or in the parameters alone.
    """
    bad = _where_in_batch(trainer.progress.batch)
    if bad:
        return bad
    found = []
    with dry_run(trainer.module, trainer.optimizer, trainer.train_loader):
        watched = list(trainer.module.named_modules())
        own = [{n: vars(part)[n] for n in PHASES if n in vars(part)} for _, part in watched]
        try:
            for name, part in watched:
                for phase in PHASES:
                    setattr(part, phase, _watching(getattr(part, phase), phase, name, part, found))
            output = trainer.module.training_step(trainer.progress.batch)
            if not found:
                trainer.module.backward(output.dy)
        finally:
            for (_, part), before in zip(watched, own, strict=True):
                for phase in PHASES:
                    vars(part).pop(phase, None)
                vars(part).update(before)
    return found[0] if found else None


def _watching(function, phase, name, part, found):
    """Return the function, made to note its name if it is the first with a bad result.

    Inner modules are through before those that contain them, so the innermost is named.
    """
    place = f"{name} ({type(part).__name__})" if name else type(part).__name__

    def watching(*inputs):
        result = function(*inputs)
        if not found and not _all_finite(result):
            found.append(f"the {phase} of {place}")
        return result

    return watching


def _where_in_batch(batch: Any, place="the batch"):
    """Return where a batch, of arrays in tuples and dicts, has a value that is not finite."""
    parts = {}
    if isinstance(batch, dict):
        parts = {f"{place}[{key!r}]": part for key, part in batch.items()}
    elif isinstance(batch, tuple):
        parts = {f"{place}[{index}]": part for index, part in enumerate(batch)}
    elif not _all_finite(batch):
        return place
    return next(filter(None, (_where_in_batch(b, p) for p, b in parts.items())), None)


def _all_finite(value):
    if value is None:
        return True
    if isinstance(value, tuple):
        return all(map(_all_finite, value))
    return getattr(value, "dtype", np.dtype(float)).kind != "f" or bool(np.isfinite(value).all())
