"""Monitor: follow one logged value and keep its best."""

import difflib
import math
from typing import Any

from firstlight.callbacks.lambda_callback import LambdaCallback
from firstlight.data.named_loaders import NamedLoaders
from firstlight.module import Module
from firstlight.runs.directions import resolve_mode
from firstlight.trainer import Trainer

# "auto" follows the first of these that is logged. val_acc is left out: it is coarse on a small
# validation set. On digits, the best state by val_loss tests at 0.981, by val_acc at 0.974.
AUTO = ("val_loss", "train_loss")
STATE = ("followed", "best", "epoch", "step")
NEEDS_DATA = "validation values need validation data: fit(module, data, val_data)"


class Monitor:
    """Follow a value through the records of a training.

    Parameters
    ----------
    name : str
        What to follow; "auto" takes ``val_loss`` if it is logged, else ``train_loss``.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" infers it from the name, and raises an error if
        it cannot; see `firstlight.runs.directions`.
    min_delta : float
        By how much a value must pass the best one to count as better.

    Attributes
    ----------
    followed : str or None
        The name in use; None before "auto" has found one.
    best, epoch, step
        The best value, and where it was logged; None before the first.

    Examples
    --------
    >>> from firstlight.callbacks._shared.monitor import Monitor
    >>> monitor = Monitor("val_loss")
    >>> monitor.update({"step": 10, "epoch": 1, "val_loss": 0.5})
    True
    >>> monitor.update({"step": 20, "epoch": 2, "val_loss": 0.7})
    False
    >>> monitor.best, monitor.epoch
    (0.5, 1)
    """

    def __init__(self, name: str = "auto", mode: str = "auto", min_delta: float = 0.0) -> None:
        self.name = name
        self.mode = mode
        self.min_delta: float = abs(min_delta)
        self.reset()
        self.direction  # noqa: B018, raises if the direction is unknown

    def reset(self) -> None:
        """Clear all values."""
        self.followed: str | None = None if self.name == "auto" else self.name
        self.best: float | None = None
        self.epoch: int | None = None
        self.step: int | None = None

    @property
    def direction(self) -> str:
        """Return "min" or "max", whether a smaller or larger value is better."""
        return resolve_mode(self.followed or AUTO[0], self.mode)

    def update(self, record: dict[str, Any]) -> bool | None:
        """Return whether a record is the best so far; None if it lacks the value."""
        if self.name == "auto":
            self._choose(record)
        if self.followed not in record:
            return None
        value = record[self.followed]
        if not self.improves(value):
            return False
        self.best, self.epoch, self.step = value, record["epoch"], record["step"]
        return True

    def improves(self, value: float) -> bool:
        """Return whether a value is better than the best; NaN and infinity never are."""
        if not math.isfinite(value):
            return False
        if self.best is None:
            return True
        if self.direction == "max":
            return value > self.best + self.min_delta
        return value < self.best - self.min_delta

    def start(self, trainer: Trainer, owner: str) -> None:
        """Set the mode in the history, and raise a ValueError if the value can never be logged.

        Call it in ``on_fit_start``.

        Parameters
        ----------
        trainer : Trainer
        owner : str
            Name of the callback, for the message.
        """
        if self.name != "auto":
            trainer.history.modes[self.name] = self.direction
        without = self.name.startswith("val_") and trainer.val_loader is None
        if without and not _others_may_log(trainer):
            raise ValueError(f"{owner}: monitor={self.name!r} will not be logged; {NEEDS_DATA}")

    def require(self, trainer: Trainer, owner: str) -> None:
        """Raise a ValueError if the value should have been logged by now, at an epoch's end.

        If a validation is due later, the value may still come, unless the names of that validation
        are known: without the user's own steps and callbacks they are those of the training.

        Parameters
        ----------
        trainer : Trainer
        owner : str
            Name of the callback, for the message.
        """
        logged = trainer.metrics
        if self.name == "auto" or self.name in logged:
            return
        waits = (
            self.name.startswith("val_")
            and trainer.val_loader is not None
            and not any(name.startswith("val_") for name in logged)
        )
        if not waits or self.name not in (_names_to_come(trainer) or [self.name]):
            raise ValueError(self.missing(trainer, owner))

    def missing(self, trainer: Trainer, owner: str) -> str:
        """Return the message for a value that was not logged."""
        cure = (
            f"; {NEEDS_DATA}" if self.name.startswith("val_") and trainer.val_loader is None else ""
        )
        names = sorted({*trainer.metrics, *_names_to_come(trainer)})
        close = [] if cure else difflib.get_close_matches(self.name, names, n=1)
        there = f"{' There' if close else '; there'} are: {', '.join(names)}" if names else ""
        return (
            f"{owner}: monitor={self.name!r} was not logged"
            f"{f'; did you mean {close[0]!r}?' if close else ''}{there}{cure}"
        )

    def describe_best(self) -> str:
        """Return e.g. ``best 0.123 in epoch 7``."""
        if self.best is None:
            return "never a finite value"
        return f"best {self.best:.4g} in epoch {self.epoch}"

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its step and epoch, and its name, JSON-able."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned, unless another value is followed now."""
        if self.name in ("auto", state["followed"]):
            for name in STATE:
                setattr(self, name, state[name])

    def _choose(self, record: dict[str, Any]) -> None:
        """Switch "auto" to a preferred name, and clear the best of the previous name."""
        for name in AUTO:
            if name == self.followed:
                return
            if name in record:
                self.reset()
                self.followed = name
                return


def _others_may_log(trainer: Trainer) -> bool:
    """Return whether a callback that is not firstlight's may log values of any name."""
    ours = [type(c).__module__.startswith("firstlight.callbacks") for c in trainer.callbacks]
    return not all(ours) or any(isinstance(c, LambdaCallback) for c in trainer.callbacks)


def _names_to_come(trainer: Trainer) -> list[str]:
    """Return the names that the first validation will log; empty if they are not known."""
    kind, data = type(trainer.module), getattr(trainer.val_loader, "data", None)
    own = kind.training_step is Module.training_step, kind.validation_step is Module.validation_step
    if trainer.val_loader is None or not all(own) or hasattr(data, "metrics"):
        return []
    if isinstance(trainer.val_loader, NamedLoaders) or _others_may_log(trainer):
        return []
    names = [name for name in trainer.metrics if name.startswith("train_")]
    return [f"val_{n.removeprefix('train_')}" for n in names if not n.endswith("_step")]
