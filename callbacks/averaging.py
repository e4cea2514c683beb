"""EMA and SWA: train as ever, but validate, test and finish with an average of the weights."""

import numpy as np

from firstlight.backend import to_host
from firstlight.callback import Callback, Role
from firstlight.optim.optimizer import BLOCK


class EMA(Callback):
    """Keep an exponential moving average of the weights, and finish with it.

    Formula, after each optimizer step, for weights w and their average a::

        a ← w                            at step max(1, start_step), the first
        a ← a + (1 - decay) · (w - a)    at every later one

    so a step that lies 1 / (1 - decay) steps back has about a third of the newest one's influence.

    The training goes on with its own weights. Validations see the average, and when the training
    is over (not if it failed) the average stays in the module. A checkpoint has the training's
    weights as its model and the average beside them; a Trainer with this callback that loads it
    for an evaluation, as in ``trainer.test(module, data, checkpoint="best")``, uses the average.
    A Trainer without it uses the training's weights, and files of weights only have no others.

    Only parameters are averaged: running statistics (BatchNorm) stay those of the training. Of
    several averages, the one listed first is validated and kept.

    Parameters
    ----------
    decay : float
        In [0, 1); how much of the average each step keeps.
    start_step : int
        The step whose weights are the first to count.

    Raises
    ------
    ValueError
        A decay outside [0, 1), or a negative step.

    References
    ----------
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.
    Tarvainen and Valpola, "Mean teachers are better role models", 2017, eq. 2.

    Examples
    --------
    >>> from firstlight.callbacks import EMA
    >>> average = EMA(decay=0.99)
    """

    role = Role.EDITOR  # before readers, which then find the training's weights in place again

    def __init__(self, decay: float = 0.999, start_step: int = 0):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: expected a decay in [0, 1), got {decay}; try 0.999")
        if start_step < 0:
            raise ValueError(f"EMA: expected a start_step of 0 or more, got {start_step}")
        self.decay, self.start_step = decay, start_step
        self.average = WeightAverage(self)

    def on_fit_start(self, trainer):
        """Start anew, or go on with a loaded average."""
        self.average.start(trainer)

    def on_train_batch_end(self, trainer):
        """Move the average towards the weights."""
        if trainer.step >= self.start_step:
            self.average.add(trainer, 1 - self.decay)

    def on_validation_start(self, trainer):
        """Put the average into the module."""
        self.average.show(trainer, True)

    def on_validation_end(self, trainer):
        """Put the training's weights back."""
        self.average.show(trainer, False)

    def on_fit_end(self, trainer):
        """Finish with the average."""
        self.average.finish(trainer)

    def on_save_checkpoint(self, trainer, checkpoint):
        """Add the average."""
        self.average.save(trainer, checkpoint)

    def on_load_checkpoint(self, trainer, module, checkpoint):
        """Take the average back."""
        self.average.load(trainer, module, checkpoint)


class SWA(Callback):
    """Average the weights that the last epochs end with, all alike, and finish with it.

    Formula, at the end of each epoch from ``start_epoch`` on, the n-th of them::

        a ← a + (w - a) / n

    It gains most where the weights still move: with a learning rate that stays high or goes up
    and down from ``start_epoch`` on, which `LRSchedule` does.

    Validations, the end of the training, and checkpoints use the average as they do in `EMA`;
    running statistics (BatchNorm) stay those of the training here, too, and fit the average
    worse, as it is farther from the weights.

    Parameters
    ----------
    start_epoch : int
        The first epoch (counted from 1) whose weights count.

    Attributes
    ----------
    averaged : int
        Epochs averaged so far.

    Raises
    ------
    ValueError
        A first epoch below 1.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider Optima
    and Better Generalization", 2018, algorithm 1.

    Examples
    --------
    >>> from firstlight.callbacks import SWA
    >>> average = SWA(start_epoch=15)  # of 20
    """

    role = Role.EDITOR

    def __init__(self, start_epoch: int = 10):
        if start_epoch < 1:
            raise ValueError(f"SWA: expected a start_epoch of 1 or more, got {start_epoch}")
        self.start_epoch = start_epoch
        self.averaged = self._epoch = 0
        self.average = WeightAverage(self)

    def on_fit_start(self, trainer):
        """Start anew, or go on with a loaded average."""
        self.average.start(trainer)
        if self.average.array is None:
            self.averaged = self._epoch = 0

    def on_train_batch_end(self, trainer):
        """Add the weights after an epoch's last step, before they are validated."""
        if trainer.batches_done == trainer.epoch_batches:
            self._add(trainer)

    def on_train_epoch_end(self, trainer):
        """Add the weights if the epoch's last step was left out, or the epoch cut short."""
        self._add(trainer)

    def on_validation_start(self, trainer):
        """Put the average into the module."""
        self.average.show(trainer, True)

    def on_validation_end(self, trainer):
        """Put the training's weights back."""
        self.average.show(trainer, False)

    def on_fit_end(self, trainer):
        """Finish with the average."""
        self.average.finish(trainer)

    def on_save_checkpoint(self, trainer, checkpoint):
        """Add the average."""
        self.average.save(trainer, checkpoint)

    def on_load_checkpoint(self, trainer, module, checkpoint):
        """Take the average back."""
        self.average.load(trainer, module, checkpoint)

    def state_dict(self):
        """Return how many epochs are averaged, and which was the last."""
        return {"averaged": self.averaged, "epoch": self._epoch}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self.averaged, self._epoch = state["averaged"], state["epoch"]

    def _add(self, trainer):
        if self.start_epoch <= trainer.epoch != self._epoch:
            self.averaged, self._epoch = self.averaged + 1, trainer.epoch
            self.average.add(trainer, 1 / self.averaged)


class WeightAverage:
    """An average of all trained weights, on one flat array, that can change places with them.

    Parameters
    ----------
    owner : Callback
        Whose average this is.

    Attributes
    ----------
    array : array or None
        Laid out as the optimizer's ``flat.data``: the average or, while that is shown, the
        training's weights. None before there is one.
    shown : bool
        Whether the module holds the average at present.
    """

    def __init__(self, owner):
        self.owner = owner
        self._forget()

    def start(self, trainer):
        """Start a training without an average, or with the one that was loaded for it."""
        loaded, training = self._loaded, self._training
        self._forget()
        if trainer.step and loaded:
            trainer.module.load_state_dict(loaded, strict=False)
            self.array = trainer.optimizer.flat.data.copy()
            trainer.module.load_state_dict(training, strict=False)

    def add(self, trainer, share):
        """Move the average by a share of the way to the weights; the first is a copy of them."""
        weights = trainer.optimizer.flat.data  # (size,)
        if self.array is None:
            self.array = weights.copy()
            return
        if self._scratch is None:
            self._scratch = np.empty_like(weights, shape=(min(BLOCK, weights.size),))
        for low in range(0, weights.size, BLOCK):  # blocks stay in the cache, as in `Optimizer`
            average = self.array[low : low + BLOCK]
            move = self._scratch[: average.size]
            np.subtract(weights[low : low + BLOCK], average, out=move)
            move *= share
            average += move

    def show(self, trainer, shown):
        """Have the module hold the average, or the training's weights again, to the last bit."""
        if trainer.status == "running":
            self._exchange(trainer, shown)

    def finish(self, trainer):
        """Leave the average in the module, unless the training failed."""
        self._exchange(trainer, trainer.status != "failed")

    def save(self, trainer, checkpoint):
        """Put the average beside the model, and the training's weights into it."""
        if self.array is None:
            return
        weights = trainer.optimizer.flat.data
        average, training = (weights, self.array) if self.shown else (self.array, weights)
        for name, array in self._named(trainer, average).items():
            checkpoint.arrays[self._prefix(trainer) + name] = array
        if self.shown:
            checkpoint.model |= self._named(trainer, training)

    def load(self, trainer, module, checkpoint):
        """Put a checkpoint's average into the module; a training that starts changes them back."""
        prefix = self._prefix(trainer)
        self._loaded = {
            name.removeprefix(prefix): array
            for name, array in checkpoint.arrays.items()
            if name.startswith(prefix)
        }
        self._training = {name: checkpoint.model[name] for name in self._loaded}
        if self._leads(trainer):
            module.load_state_dict(self._loaded, strict=False)

    def _forget(self):
        self.array, self.shown, self._scratch = None, False, None
        self._loaded = self._training = None  # by name, of the latest checkpoint read

    def _exchange(self, trainer, shown):
        if self.array is None or shown == self.shown or not self._leads(trainer):
            return
        weights = trainer.optimizer.flat.data
        held = weights.copy()
        weights[...] = self.array
        self.array[...] = held
        self.shown = shown

    def _leads(self, trainer):
        """Return whether this is the first average listed: two cannot both be in the module."""
        averages = [c for c in trainer.callbacks if isinstance(c, (EMA, SWA))]
        return averages[0] is self.owner

    def _prefix(self, trainer):
        like = [c for c in trainer.callbacks if type(c) is type(self.owner)]
        return f"{type(self.owner).__name__}.{like.index(self.owner) + 1}/"

    @staticmethod
    def _named(trainer, flat):
        """Return copies of a flat array's windows by parameter name, as NumPy arrays."""
        windows = {id(parameter): window for parameter, window in trainer.optimizer.flat.windows}
        return {
            name: np.array(to_host(flat[windows[id(parameter)]])).reshape(parameter.shape)
            for name, parameter in trainer.module.named_parameters()
            if id(parameter) in windows
        }
