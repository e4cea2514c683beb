"""EMA and SWA: train as usual, but validate, test and finish with an average of the weights."""

import sys
from typing import Any

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.checkpoints.format import Checkpoint, arrays_under
from firstlight.checkpoints.snapshot import callback_key
from firstlight.support.arguments import parse_count
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.trainer import Trainer

BLOCK = 131_072  # elements, which stay in the cache for several passes


class WeightAverage(Callback):
    """Base class of weight averages, which can be swapped with the trained weights.

    Attributes
    ----------
    averaged : int
        States averaged so far.
    array : array or None
        Laid out as the optimizer's ``flat.data``: the average or, while that is shown, the
        training's weights. None before the first state.
    shown : bool
        Whether the module holds the average at present.
    """

    role = Role.EDITOR  # before readers, which then find the training's weights in place again

    def __init__(self) -> None:
        self.averaged: int = 0
        self._reset()

    def _reset(self) -> None:
        self.array: Array | None = None
        self.shown: bool = False
        self._scratch = None
        self._loaded = {}, {}  # average and training's weights of the latest checkpoint read

    def on_fit_start(self, trainer: Trainer) -> None:
        """Start without an average, or with the one of the checkpoint."""
        average, training = self._loaded
        self._reset()
        if not (trainer.step and average):
            self.averaged = 0
            return
        weights = trainer.optimizer.flat.data
        held = weights.copy()
        trainer.module.load_state_dict(average, strict=False)
        self.array = weights.copy()
        weights[...] = held
        trainer.module.load_state_dict(training, strict=False)

    def on_validation_start(self, trainer: Trainer) -> None:
        """Put the average into the module."""
        if trainer.status == "running":
            self._show(trainer, True)

    def on_validation_end(self, trainer: Trainer) -> None:
        """Put the training's weights back, to the last bit."""
        if trainer.status == "running":
            self._show(trainer, False)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave the average in the module, unless the training failed."""
        self._show(trainer, trainer.status != "failed")

    def on_save_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Make the average the checkpoint's model, and add the training's weights.

        If another average is listed first, the model is left alone, and this average is added.
        """
        if self.array is None:
            return
        weights = trainer.optimizer.flat.data
        average, training = (weights, self.array) if self.shown else (self.array, weights)
        kind, added = "average", average
        if self._is_first(trainer):
            checkpoint.model |= _named(trainer, average)
            kind, added = "training", training
        prefix = f"{callback_key(trainer.callbacks, self)}/{kind}/"
        checkpoint.arrays |= {prefix + n: a for n, a in _named(trainer, added).items()}

    def on_load_checkpoint(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        """Keep the average and the training's weights for the resume."""
        key = callback_key(trainer.callbacks, self)
        average = arrays_under(checkpoint.arrays, f"{key}/average/")
        training = arrays_under(checkpoint.arrays, f"{key}/training/")
        average |= {name: checkpoint.model[name] for name in training}
        self._loaded = average, training

    def state_dict(self) -> dict[str, Any]:
        """Return the number of averaged states."""
        return {"averaged": self.averaged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.averaged = state.get("averaged", sys.maxsize)  # older EMA, without warm-up

    def _move(self, trainer: Trainer, share: float) -> None:
        """Move the average by a share of the way to the weights; the first is a copy of them."""
        weights = trainer.optimizer.flat.data  # (size,)
        self.averaged += 1
        if self.array is None:
            self.array = weights.copy()
            return
        if self._scratch is None:
            self._scratch = np.empty_like(weights, shape=(min(BLOCK, weights.size),))
        for low in range(0, weights.size, BLOCK):
            average = self.array[low : low + BLOCK]
            move = self._scratch[: average.size]
            np.subtract(weights[low : low + BLOCK], average, out=move)
            move *= share
            average += move

    def _show(self, trainer: Trainer, shown: bool) -> None:
        """Write the average, or the training's weights, into the module."""
        if self.array is None or shown == self.shown or not self._is_first(trainer):
            return
        weights = trainer.optimizer.flat.data
        held = weights.copy()
        weights[...] = self.array
        self.array[...] = held
        self.shown = shown

    def _is_first(self, trainer: Trainer) -> bool:
        """Return whether this is the first average listed; only that one enters the module."""
        return next(c for c in trainer.callbacks if isinstance(c, WeightAverage)) is self


class EMA(WeightAverage):
    """Keep an exponential moving average of the weights, and finish with it.

    Formula, after each optimizer step, for weights w and their average a::

        a ← w                         at step max(1, start_step), the first
        a ← a + (1 - d_t) · (w - a)   at the t-th later one, d_t = min(decay, (1 + t) / (10 + t))

    so a step 1 / (1 - decay) steps back has about a third of the newest one's influence. The decay
    warms up; without it, the first weights would dominate the average for that long: with 0.999,
    they would still be 37 % of it after 1,000 steps.

    The training keeps its own weights. Validations use the average, and the module holds it after a
    training without failure. A checkpoint's model is the average, so that loading it restores the
    validated weights; it also holds the training's weights, for a resume.

    Only parameters are averaged: running statistics (BatchNorm) stay those of the training. If
    there are several averages, the first one listed is validated and kept.

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

    def __init__(self, decay: float = 0.999, start_step: int = 0, warmup: bool = True) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: expected a decay in [0, 1), got {decay}; try 0.999")
        self.decay = decay
        self.start_step: int = parse_count("EMA: start_step", start_step, 0)
        self.warmup = warmup

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Move the average towards the weights."""
        if trainer.step >= self.start_step:
            warm = (1 + self.averaged) / (10 + self.averaged) if self.warmup else 1.0
            self._move(trainer, 1 - min(self.decay, warm))

    def state_dict(self) -> dict[str, Any]:
        """Return the decay, which marks the model as an average, and the steps averaged."""
        return {"decay": self.decay, **super().state_dict()}


class SWA(WeightAverage):
    """Average the weights at the end of the last epochs, all alike, and finish with the average.

    Formula, at the end of each epoch from ``start_epoch`` on, the n-th of them::

        a ← a + (w - a) / n

    It helps most while the weights still move: keep the learning rate high or cyclic from
    ``start_epoch`` on, with `LRSchedule`.

    Validations, the end of the training, and checkpoints use the average as in `EMA`. Running
    statistics (BatchNorm) stay those of the training here too; they fit the average worse, because
    it is farther from the weights.

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

    def __init__(self, start_epoch: int = 10) -> None:
        super().__init__()
        self.start_epoch: int = parse_count("SWA: start_epoch", start_epoch)
        self._epoch = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Start without an average, or with the one of the checkpoint."""
        super().on_fit_start(trainer)
        if self.array is None:
            self._epoch = 0

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Add the weights after an epoch's last step, before they are validated."""
        if trainer.progress.batches_done == trainer.epoch_batches:
            self.on_train_epoch_end(trainer)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Add the weights if the epoch's last step was left out, or the epoch cut short."""
        if self.start_epoch <= trainer.epoch != self._epoch:
            self._epoch = trainer.epoch
            self._move(trainer, 1 / (self.averaged + 1))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of averaged epochs, and the last one."""
        return {**super().state_dict(), "epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        self._epoch = state["epoch"]


def _named(trainer: Trainer, flat: Array) -> dict[str, Array]:
    """Return copies of a flat array's windows by parameter name, as NumPy arrays."""
    windows = {id(parameter): window for parameter, window in trainer.optimizer.flat.windows}
    return {
        name: np.array(to_host(flat[windows[id(parameter)]])).reshape(parameter.shape)
        for name, parameter in trainer.module.named_parameters()
        if id(parameter) in windows
    }
