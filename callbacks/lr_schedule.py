"""LRSchedule: change the learning rate, or another hyper-parameter, during a training."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.hyper_parameter import HyperParameter
from firstlight.callbacks._shared.monitor import Monitor
from firstlight.optim import schedules
from firstlight.support.arguments import parse_choice, parse_count
from firstlight.trainer import Trainer


class LRSchedule(Callback):
    """Set every group's learning rate before each step, or at each epoch's start.

    A schedule starts from each group's learning rate at the start of the training, so the ratios
    between groups stay. `firstlight.optim.schedules` has the formulas, and the defaults of the
    settings that are None here. With ``param`` it changes another hyper-parameter in the same way;
    a value of the model is restored when the training ends. On the command line that is
    ``--callback param_schedule --param_schedule.param dropout``, beside ``lr_schedule``.

    =================== ==========================================================
    schedule            settings
    =================== ==========================================================
    ``constant``
    ``step``            step_size, gamma
    ``multistep``       milestones, gamma
    ``exponential``     gamma
    ``linear``          total_steps, eta_min
    ``polynomial``      total_steps, power
    ``inverse_sqrt``    warmup_steps
    ``cosine``          total_steps, eta_min
    ``cosine_restarts`` T_0, T_mult, eta_min
    ``warmup_cosine``   total_steps, warmup_steps, eta_min
    ``one_cycle``       total_steps, pct_start, div_factor, final_div_factor
    ``plateau``         monitor, mode, factor, patience, threshold, cooldown, min_lr
    =================== ==========================================================

    Parameters
    ----------
    schedule : str
        A name from the table.
    param : str
        What to change: "lr", "momentum", "weight_decay" or another number of the optimizer's
        groups; "dropout", the ``p`` of all Dropout layers; or a module's attribute, "body.2.p".
    optimizer : str, optional
        Name of the optimizer whose groups are changed, if ``configure_optimizer`` returned a dict;
        by default the groups of all.
    interval : {"step", "epoch"}
        The unit of ``step_size``, ``total_steps`` and the other times. ``plateau`` ignores it.
    warmup_steps : int
        Length of a linear rise before the schedule starts.
    total_steps : int, optional
        When the schedule ends, warm-up included; by default with the training.
    eta_min : float, optional
        Value at the end.
    power : float, optional
        Exponent of ``polynomial``.
    T_0, T_mult : int, optional
        Length of the first cycle of ``cosine_restarts``, and the ratio of each cycle to the last.
    step_size : int, optional
        Time between two reductions.
    milestones : list of int, optional
        Times of reductions.
    gamma : float, optional
        Factor of each reduction.
    pct_start : float, optional
        Share of the time that the learning rate rises.
    div_factor : float, optional
        Ratio of the highest learning rate to the first.
    final_div_factor : float, optional
        Ratio of the first learning rate to the last.
    monitor : str
        The logged value that ``plateau`` watches.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" infers it from the name
        (`firstlight.runs.directions`), and raises an error if it cannot.
    factor : float, optional
        Factor of each reduction on a plateau.
    patience : int, optional
        Values that may be no better before a reduction.
    threshold : float, optional
        Share of the best value by which a better one must differ.
    cooldown : int, optional
        Values to let pass after a reduction.
    min_lr : float, optional
        Lower bound of the reductions.

    Raises
    ------
    ValueError
        An unknown schedule; a setting that is missing, unknown to the schedule, or out of range.
    """

    role = Role.WRITER

    def __init__(
        self,
        schedule: str = "cosine",
        *,
        param: str = "lr",
        optimizer: str | None = None,
        interval: Literal["step", "epoch"] = "step",
        warmup_steps: int = 0,
        total_steps: int | None = None,
        eta_min: float | None = None,
        power: float | None = None,
        T_0: int | None = None,
        T_mult: int | None = None,
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
    ) -> None:
        self.schedule: str = parse_choice("LRSchedule: schedule", schedule, schedules.SCHEDULES)
        self.param = param
        self.optimizer: str | None = optimizer
        self.interval: str = parse_choice("LRSchedule: interval", interval, ("step", "epoch"))
        self.monitor: Monitor = Monitor(monitor, mode)
        self.mode: str = self.monitor.direction
        self.warmup_steps: int = parse_count("LRSchedule: warmup_steps", warmup_steps, 0)
        if total_steps is not None and total_steps <= warmup_steps:
            raise ValueError(
                f"LRSchedule: warmup_steps={warmup_steps} leaves nothing of "
                f"total_steps={total_steps}, which includes them"
            )
        if schedule == "plateau" and monitor == "auto":
            raise ValueError('LRSchedule: name the value to monitor, e.g. "val_loss"')
        settings = {
            "total_steps": parse_count("LRSchedule: total_steps", total_steps, optional=True),
            "step_size": parse_count("LRSchedule: step_size", step_size, optional=True),
            "T_0": parse_count("LRSchedule: T_0", T_0, optional=True),
            "T_mult": parse_count("LRSchedule: T_mult", T_mult, optional=True),
            "eta_min": eta_min,
            "power": power,
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
        self.settings: dict[str, Any] = _fitting(schedule, settings)
        self.initial: list[float] = []  # one for each group, or module
        self.plateau: schedules.Plateau | None = self._new_plateau()
        self._loaded, self._target = False, None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Keep the start values, unless they came with a checkpoint."""
        if self.schedule == "plateau":
            self.monitor.start(trainer, "LRSchedule")
        self._target = HyperParameter("LRSchedule", trainer, self.param, self.optimizer)
        self._refuse_overlap(trainer)
        if not (self._loaded and trainer.step):  # a resume that was refused left it loaded
            self.initial = self._target.values
            self.plateau = self._new_plateau()
        self._loaded = False
        if len(self._target.values) != len(self.initial):
            raise ValueError(
                f"LRSchedule: the checkpoint has {len(self.initial)} values of {self.param}, "
                f"this training has {len(self._target.values)}"
            )
        if self.plateau is None:
            self._rate, self._start = self._timed_rate(trainer)
        else:
            self._rate, self._start = self.plateau, self.warmup_steps
        if not self._target.in_optimizer:
            self._apply(trainer)

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Set the learning rates for the epoch, or for its first step."""
        self._apply(trainer)

    def on_before_optimizer_step(self, trainer: Trainer) -> None:
        """Set the learning rates for the step."""
        if self.interval == "step" and self._target.in_optimizer:
            self._apply(trainer)

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Set the values for the next forward."""
        if self.interval == "step" and not self._target.in_optimizer:
            self._apply(trainer)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Pass each new value to the plateau."""
        if self.plateau is not None and self.monitor.name in record:
            self.plateau.observe(record[self.monitor.name])
            if not self._target.in_optimizer:
                self._apply(trainer)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Raise if the monitored value should have been logged by now."""
        if self.plateau is not None:
            self.monitor.require(trainer, "LRSchedule")

    def on_fit_end(self) -> None:
        """Restore the model's values."""
        if self._target is not None and not self._target.in_optimizer:
            self._target.values = self.initial
        self._target = None

    def state_dict(self) -> dict[str, Any]:
        """Return the start values, and the state of the plateau."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        found = {"param": self.param, "initial": self.initial, "plateau": plateau}
        return found | ({"optimizer": self.optimizer} if self.optimizer else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned, for the next `fit`."""
        saved, mine = (
            " of ".join(filter(None, names))
            for names in (
                (state["param"], state.get("optimizer")),
                (self.param, self.optimizer),
            )
        )
        if saved != mine:
            raise ValueError(
                f"LRSchedule: the checkpoint has a schedule of {saved} in this place, "
                f"here it is one of {mine}; list the schedules in the same order"
            )
        self.initial = list(state["initial"])
        self.plateau = self._new_plateau()
        if self.plateau is not None and state["plateau"] is not None:
            self.plateau.load_state_dict(state["plateau"])
        self._loaded = True

    def _refuse_overlap(self, trainer: Trainer) -> None:
        """Raise if an earlier schedule changes the same number of the model."""
        for other in trainer.callbacks:
            if other is self:
                return
            target = getattr(other, "_target", None)
            if isinstance(target, HyperParameter) and target.overlaps(self._target):
                raise ValueError(
                    f"LRSchedule: another schedule, of {other.param}, changes {self.param} "
                    "already; use one of them"
                )

    def _new_plateau(self) -> schedules.Plateau | None:
        if self.schedule != "plateau":
            return None
        return schedules.Plateau(mode=self.mode, **self.settings)

    def _timed_rate(self, trainer: Trainer) -> tuple[Callable[[int, float], float], int]:
        """Return the schedule as a function of time and initial value, and its start time."""
        function, settings = schedules.SCHEDULES[self.schedule], dict(self.settings)
        takes = inspect.signature(function).parameters
        start = 0 if "warmup_steps" in takes else self.warmup_steps
        if "warmup_steps" in takes:
            settings["warmup_steps"] = self.warmup_steps
        if "total_steps" in takes:
            # A training shorter than the warm-up never gets to the schedule itself.
            settings["total_steps"] = max(1, self._total(trainer) - start)
        return partial(function, **settings), start

    def _total(self, trainer: Trainer) -> int:
        planned = trainer.total_steps if self.interval == "step" else trainer.max_epochs
        total = self.settings.get("total_steps", planned)
        if total is None:
            raise ValueError(
                f"LRSchedule: {self.schedule} needs the number of {self.interval}s of the "
                f"training; set total_steps, or the trainer's max_{self.interval}s"
            )
        return total

    def _apply(self, trainer: Trainer) -> None:
        time = trainer.step if self.interval == "step" else trainer.epoch - 1
        self._target.values = [self._value(time, initial) for initial in self.initial]

    def _value(self, time: int, initial: float) -> float:
        if time < self.warmup_steps:
            return schedules.warmup(time, initial, warmup_steps=self.warmup_steps)
        return self._rate(time - self._start, initial)


def _fitting(schedule: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given; raise a ValueError unless they fit the schedule."""
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
