"""WeightAverage: an average of a model's weights that can change places with them."""

import numpy as np

from firstlight.checkpoints.snapshot import callback_key
from firstlight.optim.optimizer import BLOCK
from firstlight.support.backend import to_host


class WeightAverage:
    """An average of all trained weights, on one flat array, that can change places with them.

    Parameters
    ----------
    owner : Callback
        Whose average this is, as its attribute ``average``.

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
        average, training = self._loaded
        self._forget()
        if not (trainer.step and average):
            return
        weights = trainer.optimizer.flat.data
        held = weights.copy()
        trainer.module.load_state_dict(average, strict=False)
        self.array = weights.copy()
        weights[...] = held
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
        """Make the average a checkpoint's model, with the training's weights beside it.

        Of an average that is not the first one listed, it is the average that stands beside.
        """
        if self.array is None:
            return
        weights = trainer.optimizer.flat.data
        average, training = (weights, self.array) if self.shown else (self.array, weights)
        kind, beside = "average", average
        if self._leads(trainer):
            checkpoint.model |= self._named(trainer, average)
            kind, beside = "training", training
        prefix = f"{callback_key(trainer.callbacks, self.owner)}/{kind}/"
        checkpoint.arrays |= {prefix + n: a for n, a in self._named(trainer, beside).items()}

    def load(self, trainer, checkpoint):
        """Note what stands beside a checkpoint's model, for a training that goes on from it."""
        key = callback_key(trainer.callbacks, self.owner)
        average, training = (
            {
                name.removeprefix(f"{key}/{kind}/"): array
                for name, array in checkpoint.arrays.items()
                if name.startswith(f"{key}/{kind}/")
            }
            for kind in ("average", "training")
        )
        average |= {name: checkpoint.model[name] for name in training}
        self._loaded = average, training

    def _forget(self):
        self.array, self.shown, self._scratch = None, False, None
        self._loaded = {}, {}  # average and training's weights of the latest checkpoint read

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
        averages = [getattr(callback, "average", None) for callback in trainer.callbacks]
        return next(a for a in averages if isinstance(a, WeightAverage)) is self

    @staticmethod
    def _named(trainer, flat):
        """Return copies of a flat array's windows by parameter name, as NumPy arrays."""
        windows = {id(parameter): window for parameter, window in trainer.optimizer.flat.windows}
        return {
            name: np.array(to_host(flat[windows[id(parameter)]])).reshape(parameter.shape)
            for name, parameter in trainer.module.named_parameters()
            if id(parameter) in windows
        }
