"""Timer: where the time of a training went, and an end to it."""

import time

from firstlight.callback import Callback, Role
from firstlight.support.arguments import parse_duration


class Timer(Callback):
    """Stop when the time is used up; know at any moment how much went into what.

    The time counts on over restarts: a training that is resumed has what was left. It is looked
    at after each step; `Trainer`'s ``max_time`` does the same without the accounts.

    Parameters
    ----------
    duration : float or str, optional
        Seconds, or "HH:MM:SS"; None only keeps the accounts.

    Raises
    ------
    ValueError
        A duration that is not positive, or not one.

    Examples
    --------
    >>> from firstlight.callbacks import Timer
    >>> from firstlight.testing import tiny_trainer
    >>> timer = Timer("00:05:00")
    >>> trainer = tiny_trainer([timer])
    >>> timer.time_elapsed("train") < 300, timer.time_elapsed("val") < 300
    (True, True)
    """

    role = Role.WRITER

    def __init__(self, duration: float | str | None = None):
        self.duration = parse_duration("Timer: duration", duration)
        self._spent = {"train": 0.0, "val": 0.0}
        self._stage = self._since = None

    def on_fit_start(self, trainer):
        """Start the clock."""
        if trainer.step == 0:
            self._spent = {"train": 0.0, "val": 0.0}
        self._change_to("train")

    def on_validation_start(self, trainer):
        """Let it run for the validation."""
        if trainer.status == "running":
            self._change_to("val")

    def on_validation_end(self, trainer):
        """Let it run for the training again."""
        if trainer.status == "running":
            self._change_to("train")

    def on_train_batch_end(self, trainer):
        """Stop if the time is used up."""
        left = self.time_remaining()
        if left is not None and left <= 0 and trainer.stop_reason is None:
            trainer.stop(f"timer: the {self.duration:g} s are used up")

    def on_fit_end(self):
        """Stop the clock."""
        self._change_to(None)

    def time_elapsed(self, stage="train"):
        """Return the seconds spent on a stage, "train" or "val", so far.

        Raises
        ------
        ValueError
            Another stage.
        """
        if stage not in self._spent:
            raise ValueError(f'Timer: expected stage "train" or "val", got {stage!r}')
        running = time.perf_counter() - self._since if stage == self._stage else 0.0
        return self._spent[stage] + running

    def time_remaining(self):
        """Return the seconds left, or None without a duration; below zero when they are over."""
        if self.duration is None:
            return None
        return self.duration - self.time_elapsed("train") - self.time_elapsed("val")

    def state_dict(self):
        """Return the time spent."""
        return {stage: self.time_elapsed(stage) for stage in self._spent}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        self._spent = dict(state)

    def _change_to(self, stage):
        if self._stage is not None:
            self._spent[self._stage] = self.time_elapsed(self._stage)
        self._stage, self._since = stage, time.perf_counter()
