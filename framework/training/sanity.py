"""The sanity pass: a few batches of validation before the training, to see that it works."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from firstlight.checkpoints.snapshot import generators
from firstlight.data.loader import DataLoader
from firstlight.support import rng
from firstlight.training.hook_manager import HOOKS
from firstlight.training.setup import modes_kept

if TYPE_CHECKING:
    from firstlight.trainer import Trainer
    from firstlight.training.evaluation import Evaluator

SILENT = SimpleNamespace(**dict.fromkeys(HOOKS, lambda **_: None))  # hooks that call nobody


def try_validation(trainer: Trainer, evaluator: Evaluator) -> None:
    """Validate on the first ``num_sanity_val_steps`` batches, so that an error comes at once.

    The training stays the same, bit for bit: no hook is called, nothing is logged, and the modes of
    all modules, random generators and the loader's position are as before. Loaders of other classes
    than `DataLoader` and lists are left out, because their position cannot be restored.

    Parameters
    ----------
    trainer : Trainer
        With its module and data, before its run is opened.
    evaluator : Evaluator
    """
    loader, steps = trainer.val_loader, trainer.limits.num_sanity_val_steps
    if steps == 0 or not isinstance(loader, (DataLoader, list, tuple)):
        return
    holders = [
        vars(one) for one in (loader, getattr(loader, "data", None)) if hasattr(one, "__dict__")
    ]
    drawn = [g for held in holders for g in held.values() if isinstance(g, np.random.Generator)]
    drawn += [generator for _, generator in generators(trainer.module)]
    states, random = [g.bit_generator.state for g in drawn], rng.state_dict()
    evaluator = replace(evaluator, hook=SILENT)
    try:
        with modes_kept(trainer.module):
            evaluator.evaluate(copy.copy(loader), "val", most=None if steps < 0 else steps)
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
