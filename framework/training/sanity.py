"""The sanity pass: a few batches of validation before the training, to see that it works."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from firstlight.checkpoints.snapshot import generators
from firstlight.data.loader import DataLoader
from firstlight.data.named_loaders import NamedLoaders, by_name
from firstlight.support import rng
from firstlight.training.hook_manager import HOOKS, attach
from firstlight.training.setup import modes_kept

if TYPE_CHECKING:
    from firstlight.trainer import Trainer
    from firstlight.training.evaluation import Evaluator

TRIED = ("on_validation_start", "on_validation_batch_end")


def try_validation(trainer: Trainer, evaluator: Evaluator) -> None:
    """Validate on the first ``num_sanity_val_steps`` batches, so that an error comes at once.

    The training stays the same, bit for bit: nothing is logged, and the modes of all modules,
    random generators and the loader's position are as before. No hook is called, except that
    metrics by name see the batches. Loaders of other classes than `DataLoader` and lists are left
    out, because their position cannot be restored.

    Parameters
    ----------
    trainer : Trainer
        With its module and data, before its run is opened.
    evaluator : Evaluator
    """
    steps = trainer.limits.num_sanity_val_steps
    loaders = {
        name: copy.copy(one)
        for name, one in by_name(trainer.val_loader).items()
        if isinstance(one, (DataLoader, list, tuple))
    }
    if steps == 0 or not loaders:
        return
    tried = NamedLoaders(loaders) if isinstance(trainer.val_loader, NamedLoaders) else loaders[""]
    owners = [*loaders.values(), *(getattr(one, "data", None) for one in loaders.values())]
    held = [value for one in owners for value in getattr(one, "__dict__", {}).values()]
    drawn = [value for value in held if isinstance(value, np.random.Generator)]
    drawn += [generator for _, generator in generators(trainer.module)]
    states, random = [g.bit_generator.state for g in drawn], rng.state_dict()
    evaluator = replace(evaluator, hook=_hooks(trainer))
    try:
        with modes_kept(trainer.module):
            evaluator.evaluate(tried, "val", most=None if steps < 0 else steps)
    except Exception as error:
        error.add_note(
            "in the sanity pass over validation, before the training and before on_fit_start; "
            "Trainer(num_sanity_val_steps=0) leaves it out"
        )
        raise
    finally:
        for generator, state in zip(drawn, states, strict=True):
            generator.bit_generator.state = state
        rng.load_state_dict(random)


def _hooks(trainer):
    """Return hooks that call only the callbacks with ``in_sanity_pass``."""
    callbacks = [one for one in trainer.callbacks if getattr(one, "in_sanity_pass", False)]
    calls = attach(callbacks).bind(trainer, trainer.module).calls
    silent = SimpleNamespace(**dict.fromkeys(HOOKS, lambda **_: None))
    for name in TRIED:
        setattr(silent, name, getattr(calls, name))
    return silent
