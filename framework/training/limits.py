"""The limits of a training: epochs, steps, time, batches of each stage, validation interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from firstlight.support.arguments import batch_limit, parse_count, parse_duration, parse_interval

if TYPE_CHECKING:
    from firstlight.trainer import Trainer
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.progress import Progress


@dataclass
class Limits:
    """The limits of a training, checked on construction.

    Attributes
    ----------
    max_epochs, max_steps : int or None
    max_time : float or None
        Seconds; as an argument also "HH:MM:SS" or "10 min".
    batches : dict of str to int, float or None
        Limit of the batches of "train", "val", "test" and "predict": a count or a share.
    val_every : int, float or str
        Epochs between validations, or a share of an epoch, "500 steps" or "10 min".
    num_sanity_val_steps : int
        Batches to validate on before the training; -1 for all.
    val_unit : {"epochs", "share", "steps", "seconds"}
        Unit of the number that ``val_every`` becomes.
    overfit : bool
        Train and validate on the same few batches.
    min_epochs, min_steps : int
        Epochs and steps before which neither a request nor ``max_time`` ends the training.

    Raises
    ------
    TypeError, ValueError
        A bad limit.
    """

    max_epochs: int | None
    max_steps: int | None
    max_time: float | None
    batches: dict[str, float | None]
    val_every: int | float | str = 1
    overfit: bool = False
    min_epochs: int | None = None
    min_steps: int | None = None
    num_sanity_val_steps: int = 0
    val_unit: str = field(init=False)

    def __post_init__(self) -> None:
        for stage in self.batches:
            self.count(stage, 1)
        self.max_epochs = parse_count("max_epochs", self.max_epochs, 0, optional=True)
        self.max_steps = parse_count("max_steps", self.max_steps, 0, optional=True)
        self.max_time = parse_duration("max_time", self.max_time)
        self.val_every, self.val_unit = parse_interval("val_every", self.val_every)
        self.num_sanity_val_steps = parse_count(
            "num_sanity_val_steps", self.num_sanity_val_steps, -1
        )
        self.min_epochs = _minimum("epochs", self.min_epochs, self.max_epochs)
        self.min_steps = _minimum("steps", self.min_steps, self.max_steps)

    def count(self, stage: str, total: int) -> int:
        """Return the number of batches to use of a stage's ``total``."""
        limit = self.batches[stage]
        return total if limit is None else batch_limit(f"limit_{stage}_batches", limit, total)

    def are_reached(self, progress: Progress) -> bool:
        """Return whether to stop: at ``max_steps``, by a request, or at ``max_time``.

        The latter two wait for ``min_epochs`` and ``min_steps``.
        """
        if self.max_steps is not None and progress.step >= self.max_steps:
            return True
        asked = progress.stop_reason is not None or (
            self.max_time is not None and progress.elapsed >= self.max_time
        )
        epochs_done = progress.epoch - (not progress.epoch_done)
        return asked and progress.step >= self.min_steps and epochs_done >= self.min_epochs

    def total_steps(self, accumulation: Accumulation, epoch_batches: int) -> int | None:
        """Return the optimizer steps of the whole training; None if only time limits it."""
        if self.max_epochs is None:
            return self.max_steps
        by_epochs = accumulation.steps(self.max_epochs, epoch_batches)
        return by_epochs if self.max_steps is None else min(by_epochs, self.max_steps)

    def validates_epoch(self, epoch: int) -> bool:
        """Return whether to validate at the end of an epoch."""
        return self.val_unit == "epochs" and epoch % self.val_every == 0

    def validates_step(self, trainer: Trainer) -> bool:
        """Return whether to validate after the current step."""
        progress = trainer.progress
        if self.val_unit == "steps":
            return progress.step % self.val_every == 0
        if self.val_unit == "seconds":
            return progress.elapsed - progress.validated >= self.val_every
        return self.val_unit == "share" and self.validation_place(trainer) != progress.validated

    def validation_place(self, trainer: Trainer) -> float:
        """Return what `validates_step` needs to know of the last validation.

        For a share of an epoch it is the number of such shares trained.
        """
        progress = trainer.progress
        if self.val_unit != "share":
            return progress.elapsed if self.val_unit == "seconds" else progress.step
        share = Fraction(self.val_every).limit_denominator(10**6)  # 1/3 is not exact as a float
        done = Fraction(progress.batches_done, trainer.epoch_batches)
        return (progress.epoch - 1) * (1 // share) + done // share

    def describe_val_every(self) -> int | float | str:
        """Return the interval of validations as an argument of the Trainer."""
        units = {"steps": " steps", "seconds": " s"}
        unit = units.get(self.val_unit)
        return self.val_every if unit is None else f"{self.val_every}{unit}"


def _minimum(unit, least, most):
    """Return the least number of epochs or steps of a training; 0 if there is none."""
    least = parse_count(f"min_{unit}", least, 0, optional=True) or 0
    if most is not None and least > most:
        raise ValueError(
            f"min_{unit}: expected max_{unit}, {most}, or less, got {least}; raise max_{unit}, or "
            f"lower min_{unit}"
        )
    return least
