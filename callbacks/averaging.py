"""EMA and SWA: train as ever, but validate, test and finish with an average of the weights."""

import sys

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.weight_average import WeightAverage


class EMA(Callback):
    """Keep an exponential moving average of the weights, and finish with it.

    Formula, after each optimizer step, for weights w and their average a::

        a ← w                         at step max(1, start_step), the first
        a ← a + (1 - d_t) · (w - a)   at the t-th later one, d_t = min(decay, (1 + t) / (10 + t))

    so a step that lies 1 / (1 - decay) steps back has about a third of the newest one's influence.
    The decay warms up, because the average would else consist of the first weights for that long:
    with 0.999, at the end of a training of 1,000 steps still to 37 %.

    The training goes on with its own weights. Validations see the average, and when the training
    is over (not if it failed) the average stays in the module. A checkpoint has the average as its
    model, so that whoever loads it tests what was validated; the training's weights stand beside
    it, for a resume.

    Only parameters are averaged: running statistics (BatchNorm) stay those of the training. Of
    several averages, the one listed first is validated and kept.

    Parameters
    ----------
    decay : float
        In [0, 1); how much of the average each step keeps.
    start_step : int
        The step whose weights are the first to count.
    warmup : bool
        False uses ``decay`` from the start, as PyTorch's ``get_ema_avg_fn`` does.

    Attributes
    ----------
    averaged : int
        Steps averaged so far.

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

    def __init__(self, decay: float = 0.999, start_step: int = 0, warmup: bool = True):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: expected a decay in [0, 1), got {decay}; try 0.999")
        if start_step < 0:
            raise ValueError(f"EMA: expected a start_step of 0 or more, got {start_step}")
        self.decay, self.start_step, self.warmup = decay, start_step, warmup
        self.averaged = 0
        self.average = WeightAverage(self)

    def on_fit_start(self, trainer):
        """Start anew, or go on with a loaded average."""
        self.average.start(trainer)
        if self.average.array is None:
            self.averaged = 0

    def on_train_batch_end(self, trainer):
        """Move the average towards the weights."""
        if trainer.step >= self.start_step:
            warm = (1 + self.averaged) / (10 + self.averaged) if self.warmup else 1.0
            self.average.add(trainer, 1 - min(self.decay, warm))
            self.averaged += 1

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

    def on_load_checkpoint(self, trainer, checkpoint):
        """Note what a resumed training needs."""
        self.average.load(trainer, checkpoint)

    def state_dict(self):
        """Return the decay, which tells that the model is an average, and the steps averaged."""
        return {"decay": self.decay, "averaged": self.averaged}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self.averaged = state.get("averaged", sys.maxsize)  # written before there was a warm-up


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
        if trainer.progress.batches_done == trainer.epoch_batches:
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

    def on_load_checkpoint(self, trainer, checkpoint):
        """Note what a resumed training needs."""
        self.average.load(trainer, checkpoint)

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
