"""LRSchedule: moves the learning rate while a model trains."""

import difflib
import inspect

from firstlight import Callback, Role, schedules


class LRSchedule(Callback):
    """Set every group's learning rate before each step, or at each epoch's start.

    Where a schedule starts from is each group's learning rate when training starts, so that
    groups keep their proportions. `firstlight.schedules` has the formulas, and the defaults of
    the settings that are None here.

    ================= ==========================================================
    schedule          settings
    ================= ==========================================================
    ``constant``
    ``step``          step_size, gamma
    ``multistep``     milestones, gamma
    ``exponential``   gamma
    ``cosine``        total_steps, eta_min
    ``warmup_cosine`` total_steps, warmup_steps, eta_min
    ``one_cycle``     total_steps, pct_start, div_factor, final_div_factor
    ``plateau``       monitor, mode, factor, patience, threshold, cooldown, min_lr
    ================= ==========================================================

    Parameters
    ----------
    schedule : str
        A name from the table.
    interval : {"step", "epoch"}
        The unit of time: ``step_size``, ``total_steps`` and all else count it. ``plateau``
        does not look at time.
    warmup_steps : int
        First go up in a straight line; the schedule starts, and its time counts, after that.
    total_steps : int, optional
        When the schedule ends; by default with the training.
    eta_min : float, optional
        Learning rate at the end.
    step_size : int, optional
        Time between two reductions.
    milestones : list of int, optional
        Times of reductions.
    gamma : float, optional
        Factor of each reduction.
    pct_start : float, optional
        Share of the time that the learning rate rises.
    div_factor : float, optional
        How much smaller the first learning rate is than the highest.
    final_div_factor : float, optional
        How much smaller the last learning rate is than the first.
    monitor : str
        The value that ``plateau`` watches: one that starts with "val_" after each validation, any
        other at the end of each epoch.
    mode : str, optional
        "min" or "max": whether a smaller or a larger value is better.
    factor : float, optional
        Factor of each reduction on a plateau.
    patience : int, optional
        Values that may be no better before a reduction.
    threshold : float, optional
        Share of the best value by which a better one must differ.
    cooldown : int, optional
        Values to let pass after a reduction.
    min_lr : float, optional
        No reduction goes below.

    Raises
    ------
    ValueError
        An unknown schedule; a setting that it lacks, does not take, or cannot take.
    """

    role = Role.WRITER

    def __init__(
        self,
        schedule: str = "cosine",
        *,
        interval: str = "step",
        warmup_steps: int = 0,
        total_steps: int | None = None,
        eta_min: float | None = None,
        step_size: int | None = None,
        milestones: list[int] | None = None,
        gamma: float | None = None,
        pct_start: float | None = None,
        div_factor: float | None = None,
        final_div_factor: float | None = None,
        monitor: str = "val_loss",
        mode: str | None = None,
        factor: float | None = None,
        patience: int | None = None,
        threshold: float | None = None,
        cooldown: int | None = None,
        min_lr: float | None = None,
    ):
        _one_of("schedule", schedule, list(schedules.SCHEDULES))
        _one_of("interval", interval, ["step", "epoch"])
        self.schedule, self.interval, self.monitor = schedule, interval, monitor
        self.warmup_steps = _at_least(0, "warmup_steps", warmup_steps)
        counts = {"total_steps": total_steps, "step_size": step_size}
        for name, count in counts.items():
            _at_least(1, name, count)
        settings = {
            **counts,
            "eta_min": eta_min,
            "milestones": milestones,
            "gamma": gamma,
            "pct_start": pct_start,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
            "mode": mode,
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "cooldown": cooldown,
            "min_lr": min_lr,
        }
        self.settings = _fitting(schedule, settings)
        self.initial_lrs = []
        self.plateau = None
        self._loaded = False

    def on_fit_start(self, trainer):
        """Note where each group starts, unless that came with a checkpoint."""
        if not self._loaded:
            self.initial_lrs = [group["lr"] for group in trainer.optimizer.param_groups]
            self.plateau = None
        self._loaded = False
        if self.schedule == "plateau":
            self.plateau = self.plateau or schedules.Plateau(**self.settings)
            self._check_monitor(trainer)
        self._rate = self._find_rate(trainer)

    def on_train_epoch_start(self, trainer):
        """Set the learning rates for the epoch, or for its first step."""
        self._apply(trainer)

    def on_before_optimizer_step(self, trainer):
        """Set the learning rates for the step."""
        if self.interval == "step":
            self._apply(trainer)

    def on_validation_end(self, trainer, stage, metrics):
        """Show the plateau a value from the validation."""
        during_fit = trainer.status == "running"
        if self.plateau and stage == "val" and during_fit and self.monitor.startswith("val_"):
            self._observe(metrics)

    def on_train_epoch_end(self, trainer):
        """Show the plateau a value from the epoch."""
        if self.plateau and not self.monitor.startswith("val_"):
            self._observe(trainer.metrics)
