"""LRSchedule: moves the learning rate while a model trains."""

import difflib
import inspect
from functools import partial
from typing import Literal

from firstlight import schedules
from firstlight.callback import Callback, Role
from firstlight.callbacks.monitor import Monitor
from firstlight.history import resolve_mode


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
        When the schedule ends, warm-up included; by default with the training.
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
        The logged value that ``plateau`` watches.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto": larger for accuracies, else smaller.
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
        interval: Literal["step", "epoch"] = "step",
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
        mode: Literal["auto", "min", "max"] = "auto",
        factor: float | None = None,
        patience: int | None = None,
        threshold: float | None = None,
        cooldown: int | None = None,
        min_lr: float | None = None,
    ):
        _one_of("schedule", schedule, list(schedules.SCHEDULES))
        _one_of("interval", interval, ["step", "epoch"])
        self.schedule, self.interval = schedule, interval
        self.monitor, self.mode = Monitor(monitor, mode), resolve_mode(monitor, mode)
        self.warmup_steps = _at_least(0, "warmup_steps", warmup_steps)
        counts = {"total_steps": total_steps, "step_size": step_size}
        for name, count in counts.items():
            _at_least(1, name, count)
        if total_steps is not None and total_steps <= warmup_steps:
            raise ValueError(
                f"LRSchedule: warmup_steps={warmup_steps} leaves nothing of "
                f"total_steps={total_steps}, which includes them"
            )
        if schedule == "plateau" and monitor == "auto":
            raise ValueError('LRSchedule: name the value to monitor, e.g. "val_loss"')
        settings = {
            **counts,
            "eta_min": eta_min,
            "milestones": milestones,
            "gamma": gamma,
            "pct_start": pct_start,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "cooldown": cooldown,
            "min_lr": min_lr,
        }
        self.settings = _fitting(schedule, settings)
        self.initial_lrs = []
        self.plateau = self._new_plateau()
        self._loaded = False

    def on_fit_start(self, trainer):
        """Note where each group starts, unless that came with a checkpoint."""
        groups = trainer.optimizer.param_groups
        if not self._loaded:
            self.initial_lrs = [group["lr"] for group in groups]
            self.plateau = self._new_plateau()
        self._loaded = False
        if len(groups) != len(self.initial_lrs):
            raise ValueError(
                f"LRSchedule: the checkpoint has learning rates of {len(self.initial_lrs)} "
                f"parameter groups, this optimizer has {len(groups)}"
            )
        if self.plateau is None:
            self._rate, self._start = self._timed_rate(trainer)
        else:
            self._rate, self._start = self.plateau, self.warmup_steps

    def on_train_epoch_start(self, trainer):
        """Set the learning rates for the epoch, or for its first step."""
        self._apply(trainer)

    def on_before_optimizer_step(self, trainer):
        """Set the learning rates for the step."""
        if self.interval == "step":
            self._apply(trainer)

    def on_log(self, record):
        """Show the plateau each new value."""
        if self.plateau is not None and self.monitor.name in record:
            self.plateau.observe(record[self.monitor.name])

    def on_train_epoch_end(self, trainer):
        """Raise if the value to watch should have been logged by now."""
        if self.plateau is not None:
            self.monitor.require(trainer, "LRSchedule")

    def state_dict(self):
        """Return each group's initial learning rate, and what the plateau has seen."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"initial_lrs": self.initial_lrs, "plateau": plateau}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned; the next `fit` goes on from there."""
        self.initial_lrs = list(state["initial_lrs"])
        self.plateau = self._new_plateau()
        if self.plateau is not None and state["plateau"] is not None:
            self.plateau.load_state_dict(state["plateau"])
        self._loaded = True

    def _new_plateau(self):
        if self.schedule != "plateau":
            return None
        return schedules.Plateau(mode=self.mode, **self.settings)

    def _timed_rate(self, trainer):
        """Return the schedule as a function of time and initial lr, and the time it starts at."""
        function, settings = schedules.SCHEDULES[self.schedule], dict(self.settings)
        takes = inspect.signature(function).parameters
        start = 0 if "warmup_steps" in takes else self.warmup_steps
        if "warmup_steps" in takes:
            settings["warmup_steps"] = self.warmup_steps
        if "total_steps" in takes:
            # A training shorter than the warm-up never gets to the schedule itself.
            settings["total_steps"] = max(1, self._total(trainer) - start)
        return partial(function, **settings), start

    def _total(self, trainer):
        planned = trainer.total_steps if self.interval == "step" else trainer.max_epochs
        total = self.settings.get("total_steps", planned)
        if total is None:
            raise ValueError(
                f"LRSchedule: {self.schedule} must know how many {self.interval}s the training "
                f"takes; set total_steps, or the trainer's max_{self.interval}s"
            )
        return total

    def _apply(self, trainer):
        time = trainer.step if self.interval == "step" else trainer.epoch - 1
        for group, lr in zip(trainer.optimizer.param_groups, self.initial_lrs, strict=True):
            if time < self.warmup_steps:
                group["lr"] = schedules.warmup(time, lr, warmup_steps=self.warmup_steps)
            else:
                group["lr"] = self._rate(time - self._start, lr)


def _fitting(schedule, settings):
    """Return the settings that were given, or raise unless they fit the schedule."""
    given = {name: value for name, value in settings.items() if value is not None}
    parameters = inspect.signature(schedules.SCHEDULES[schedule]).parameters
    takes = [name for name in parameters if name in settings]
    for name in given:
        if name not in takes:
            raise ValueError(
                f"LRSchedule: {schedule} does not take {name}; "
                f"it takes {', '.join(takes) or 'no settings'}"
            )
    for name in takes:
        needed = parameters[name].default is inspect.Parameter.empty and name != "total_steps"
        if needed and name not in given:
            raise ValueError(f"LRSchedule: {schedule} needs {name}; set it")
    return given


def _one_of(what, name, names):
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names)}"
        raise ValueError(f'LRSchedule: there is no {what} "{name}"; {hint}')


def _at_least(least, name, count):
    if count is not None and count < least:
        raise ValueError(f"LRSchedule: expected {name} of {least} or more, got {count}")
    return count
