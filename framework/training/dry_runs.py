"""Dry runs: steps whose effects are undone, for callbacks that search or diagnose."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.checkpoints.snapshot import generators
from firstlight.optim.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.batches import placed

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers


@contextmanager
def dry_run(module: Module, optimizer: Optimizer | Optimizers, loader: object) -> Iterator[None]:
    """Restore the state of a training, bit for bit, when the context ends.

    The state consists of parameters, buffers, gradients, the optimizer's state and settings, and
    all random generators. Plain attributes of modules are not restored. Inside, overflow does not
    warn. Use it between two steps, or before the optimizer steps.

    Parameters
    ----------
    module : Module
    optimizer : Optimizer or Optimizers
    loader : loader
        Its random generators are restored too.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.testing import tiny_trainer
    >>> from firstlight.training.dry_runs import dry_run
    >>> class Curious(fl.Callback):
    ...     def on_fit_start(self, trainer, module):
    ...         with dry_run(module, trainer.optimizer, trainer.train_loader):
    ...             module.body.layers[0].weight.data[...] = 0
    ...         print(bool(module.body.layers[0].weight.data.any()))
    >>> trainer = tiny_trainer([Curious()])
    True
    """
    model, gradient = module.state_dict(), optimizer.flat.grad.copy()
    state = optimizer.state_dict()
    state["arrays"] = {name: array.copy() for name, array in state["arrays"].items()}
    random = rng.state_dict()
    drawn = [generator for _, generator in generators(module)]
    own = getattr(loader, "__dict__", {}).values()  # a user's loader may have its own generator
    drawn += [value for value in own if isinstance(value, np.random.Generator)]
    states = [(generator, generator.bit_generator.state) for generator in drawn]
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        module.load_state_dict(model)
        module.train()  # drops forwards that were not undone
        optimizer.load_state_dict(state)
        optimizer.flat.grad[...] = gradient
        for generator, before in states:
            generator.bit_generator.state = before
        rng.load_state_dict(random)


def endless_batches(loader: Iterable[Any], device: str, dtype: str) -> Iterator[Any]:
    """Yield batches without end, on a device; the loader's own position does not change."""
    for batch in chain.from_iterable(repeat(copy.copy(loader))):
        yield placed(batch, device, dtype)


def dry_step(module: Module, optimizer: Optimizer | Optimizers, batch: Any) -> float:
    """Make one optimizer step from one batch, and return the loss."""
    output = module.training_step(batch)
    if not module.steps_by_hand:
        module.backward(scaled(optimizer, output.dy))
    if optimizer.loss_scale is not None:
        optimizer.loss_scale.unscale(optimizer.flat.grad)
    optimizer.step()
    optimizer.zero_grad()
    return float(output.loss)
