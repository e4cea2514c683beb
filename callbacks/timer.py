"""Timer: limit the time of a training, and measure that of its stages."""

import time
from typing import Any

from firstlight.callback import Callback, Role
from firstlight.support.arguments import parse_choice, parse_duration
from firstlight.trainer import Trainer


class Timer(Callback):
    """Stop the training after a duration, and measure training and validation time.

    The time before a checkpoint counts in a resumed training. It is checked after each step.
    `Trainer`'s ``max_time`` limits the time too, but measures no stages.

    Parameters
    ----------
    duration : float or str, optional
        Seconds, "HH:MM:SS" or "10 min"; None only measures.

    Raises
    ------
    ValueError
        A duration that is not positive, or cannot be parsed.

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

    def __init__(self, duration: float | str | None = None) -> None:
        self.duration: float | None = parse_duration("Timer: duration", duration)
        self._spent = {"train": 0.0, "val": 0.0}
        self._stage = self._since = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Start measuring the training."""
        if trainer.step == 0:
            self._spent = {"train": 0.0, "val": 0.0}
        self._change_to("train")

    def on_validation_start(self, trainer: Trainer) -> None:
        """Measure the validation."""
        if trainer.status == "running":
            self._change_to("val")

    def on_validation_end(self, trainer: Trainer) -> None:
        """Measure the training again."""
        if trainer.status == "running":
            self._change_to("train")

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Stop the training if no time is left."""
        left = self.time_remaining()
        if left is not None and left <= 0 and trainer.stop_reason is None:
            trainer.stop(f"timer: the {self.duration:g} s are used up")

    def on_fit_end(self) -> None:
        """Stop measuring."""
        self._change_to(None)

    def time_elapsed(self, stage: str = "train") -> float:
        """Return the seconds spent on a stage, "train" or "val", so far.

        Raises
        ------
        ValueError
            Another stage.
        """
        parse_choice("Timer: stage", stage, self._spent)
        running = time.perf_counter() - self._since if stage == self._stage else 0.0
        return self._spent[stage] + running

    def time_remaining(self) -> float | None:
        """Return the seconds left, negative past the end; None without a duration."""
        if self.duration is None:
            return None
        return self.duration - self.time_elapsed("train") - self.time_elapsed("val")

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent."""
        return {stage: self.time_elapsed(stage) for stage in self._spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self._spent = dict(state)

    def _change_to(self, stage: str | None) -> None:
        if self._stage is not None:
            self._spent[self._stage] = self.time_elapsed(self._stage)
        self._stage, self._since = stage, time.perf_counter()
