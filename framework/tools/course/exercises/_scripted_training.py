"""Trainings whose validation losses are given, for the exercise on early stopping."""

from dataclasses import replace

import numpy as np

from firstlight import optim
from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer


class ScriptedModel(Module):
    """A model whose weights change at every step, and whose validation losses are given."""

    def __init__(self, losses):
        self.losses = list(losses)
        self.weight = Parameter(np.zeros(2, "float32"))

    def training_step(self, batch):
        """Return a loss whose gradient is 1."""
        return StepOutput(self.weight.data.sum(), np.ones(2, "float32"))

    def backward(self, dy):
        """Add dy to the gradient."""
        self.weight.grad += dy

    def validation_step(self, batch):
        """Return the next of the given losses."""
        return StepOutput(np.float64(self.losses.pop(0)))

    def configure_optimizer(self):
        """Return plain gradient descent."""
        return optim.SGD(self.parameters(), lr=1.0)


class DrivenTrainer(Trainer):
    """A trainer without other callbacks, whose steps can be taken one by one."""

    def __init__(self, callback, epochs):
        super().__init__(
            max_epochs=epochs,
            log_every_n_steps=1,
            callbacks=[callback],
            default_callbacks=False,
            runs_dir=None,
        )

    def begin(self, module):
        """Train a module from now on."""
        self.module = module

    def advance(self):
        """Take a step, which is an epoch."""
        self.progress = replace(self.progress, step=self.step + 1, epoch=self.epoch + 1)
        self.module.weight.data[...] -= 1


def driven(callback, losses):
    """Call the hooks as a training of one step an epoch does; return the trainer and the model."""
    trainer, module = DrivenTrainer(callback, len(losses)), ScriptedModel(losses)
    trainer.begin(module)
    callback.on_fit_start(trainer=trainer)
    for loss in losses:
        trainer.advance()
        for values in ({"train_loss": 1.0}, {"val_loss": loss}):
            trainer.metrics.update(values)
            callback.on_log(trainer=trainer, record=trainer.progress.place() | values)
        if trainer.stop_reason is not None:
            break
    callback.on_fit_end(trainer=trainer)
    return trainer, module
