"""Trials: steps that leave no trace, to find something out about a training."""

import copy
from contextlib import contextmanager
from itertools import chain, repeat

import numpy as np

from firstlight.checkpoints.snapshot import generators
from firstlight.fast.cuda.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.batches import placed


@contextmanager
def trial(trainer):
    """Let whatever happens inside leave a training as it was, bit for bit.

    That is: parameters and buffers, gradients, the optimizer's state and settings, and everything
    random; not what a module may count in attributes of its own. Arithmetic that overflows does
    not warn inside.

    Parameters
    ----------
    trainer : Trainer
        Whose training is prepared or under way, at a step's boundary or before its optimizer
        step.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.testing import tiny_trainer
    >>> from firstlight.training.trial import trial
    >>> class Curious(fl.Callback):
    ...     def on_fit_start(self, trainer, module):
    ...         with trial(trainer):
    ...             module.body.layers[0].weight.data[...] = 0
    ...         print(bool(module.body.layers[0].weight.data.any()))
    >>> trainer = tiny_trainer([Curious()])
    True
    """
    module, optimizer = trainer.module, trainer.optimizer
    model, gradient = module.state_dict(), optimizer.flat.grad.copy()
    state = optimizer.state_dict()
    state["arrays"] = {name: array.copy() for name, array in state["arrays"].items()}
    random = rng.state_dict()
    loader = getattr(trainer.train_loader, "__dict__", {})  # a user's may draw from one of its own
    drawn = [generator for _, generator in generators(module)]
    drawn += [value for value in loader.values() if isinstance(value, np.random.Generator)]
    own = [(generator, generator.bit_generator.state) for generator in drawn]
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        module.load_state_dict(model)
        module.train()  # forgets forwards that were not undone
        optimizer.load_state_dict(state)
        optimizer.flat.grad[...] = gradient
        for generator, before in own:
            generator.bit_generator.state = before
        rng.load_state_dict(random)


def trial_batches(trainer, loader=None):
    """Yield batches without end, on the trainer's device; the loader's place stays as it is."""
    loader = copy.copy(trainer.train_loader if loader is None else loader)
    for batch in chain.from_iterable(repeat(loader)):
        yield placed(batch, trainer.device, trainer.dtype)


def trial_step(trainer, batch):
    """Make one optimizer step from one batch, and return the loss as a float."""
    output = trainer.module.training_step(batch)
    trainer.module.backward(scaled(trainer.optimizer, output.dy))
    if trainer.optimizer.loss_scale is not None:
        trainer.optimizer.loss_scale.unscale()
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    return float(output.loss)
