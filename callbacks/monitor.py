"""Monitor: follows one logged value and remembers its best."""

import math

from firstlight.history import resolve_mode

# What "auto" follows: the first of these that is logged. Not val_acc, which on a small validation
# set is coarse: on digits, the best state by val_loss tests at 0.981, by val_acc at 0.974.
AUTO = ("val_loss", "train_loss")


class Monitor:
    """Follow a value through the records of a training.

    Parameters
    ----------
    name : str
        What to follow; "auto" takes ``val_loss`` if it is logged, else ``train_loss``.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" goes by the name.
    min_delta : float
        By how much a value must pass the best one to count as better.

    Attributes
    ----------
    followed : str or None
        The name in use; None before "auto" has found one.
    best, epoch, step
        The best value, and when it was logged; None before the first.

    Examples
    --------
    >>> from firstlight.callbacks.monitor import Monitor
    >>> monitor = Monitor("val_loss")
    >>> monitor.update({"step": 10, "epoch": 1, "val_loss": 0.5})
    True
    >>> monitor.update({"step": 20, "epoch": 2, "val_loss": 0.7})
    False
    >>> monitor.best, monitor.epoch
    (0.5, 1)
    """

    def __init__(self, name="auto", mode="auto", min_delta=0.0):
        resolve_mode(name, mode)  # a bad mode is an error here
        self.name, self.mode, self.min_delta = name, mode, abs(min_delta)
        self.reset()

    def reset(self):
        """Forget all values."""
        self.followed = None if self.name == "auto" else self.name
        self.best = self.epoch = self.step = None

    def update(self, record):
        """Look at a record; return whether it is the best so far, None if it lacks the value."""
        if self.name == "auto":
            self._choose(record)
        if self.followed not in record:
            return None
        value = record[self.followed]
        if not self.improves(value):
            return False
        self.best, self.epoch, self.step = value, record["epoch"], record["step"]
        return True

    def improves(self, value):
        """Return whether a value is better than the best; NaN and infinity never are."""
        if not math.isfinite(value):
            return False
        if self.best is None:
            return True
        if resolve_mode(self.followed, self.mode) == "max":
            return value > self.best + self.min_delta
        return value < self.best - self.min_delta

    def require(self, trainer, owner):
        """Raise a ValueError if the value should have been logged by now, at an epoch's end.

        Parameters
        ----------
        trainer : Trainer
        owner : str
            Who asks, for the message.
        """
        logged = trainer.metrics
        waits_for_validation = (
            self.name.startswith("val_")
            and trainer.val_loader is not None
            and not any(name.startswith("val_") for name in logged)
        )
        if self.name != "auto" and self.name not in logged and not waits_for_validation:
            raise ValueError(self.missing(trainer, owner))

    def missing(self, trainer, owner):
        """Return the message for a value that nobody logged."""
        cure = (
            "; validation values need validation data: fit(module, data, val_data)"
            if self.name.startswith("val_") and trainer.val_loader is None
            else ""
        )
        return (
            f"{owner}: monitor={self.name!r} was not logged; there are: "
            f"{', '.join(sorted(trainer.metrics))}{cure}"
        )

    def describe_best(self):
        """Return e.g. ``best 0.123 in epoch 7``."""
        if self.best is None:
            return "never a finite value"
        return f"best {self.best:.4g} in epoch {self.epoch}"

    def state_dict(self):
        """Return the best and what it is the best of, JSON-able."""
        return {
            "followed": self.followed,
            "best": self.best,
            "epoch": self.epoch,
            "step": self.step,
        }

    def load_state_dict(self, state):
        """Take back what `state_dict` returned, unless it is of another value."""
        if self.name in ("auto", state["followed"]):
            self.followed = state["followed"]
            self.best, self.epoch, self.step = state["best"], state["epoch"], state["step"]

    def _choose(self, record):
        """Let "auto" move up to a better value; what was best of the former no longer counts."""
        for name in AUTO:
            if name == self.followed:
                return
            if name in record:
                self.reset()
                self.followed = name
                return
