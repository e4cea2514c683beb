"""Learning-rate schedules: functions of the step and the initial learning rate.

``schedule(step, lr, **settings)`` returns the learning rate of a step (or epoch), counted from 0.
A schedule has no state, so that resuming from a checkpoint needs only the step. `Plateau`, which
monitors a metric, is the exception. Names and settings are PyTorch's, except
that the length of a schedule is ``total_steps`` everywhere.

`firstlight.callbacks.LRSchedule` applies them; in a hand-written loop::

    optimizer.lr = schedules.cosine(step, 0.1, total_steps=1000)
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any


def constant(step: int, lr: float) -> float:
    """Return lr at every step."""
    return lr


def step(step: int, lr: float, *, step_size: int, gamma: float = 0.1) -> float:
    """Multiply by gamma every ``step_size`` steps; PyTorch's StepLR.

    Formula::

        lr · gamma^⌊step / step_size⌋

    Examples
    --------
    >>> [step(s, 8.0, step_size=2, gamma=0.5) for s in range(5)]
    [8.0, 8.0, 4.0, 4.0, 2.0]
    """
    return lr * gamma ** (step // step_size)


def multistep(step: int, lr: float, *, milestones: Iterable[int], gamma: float = 0.1) -> float:
    """Multiply by gamma at every step of the list ``milestones``; PyTorch's MultiStepLR."""
    return lr * gamma ** bisect_right(sorted(milestones), step)


def exponential(step: int, lr: float, *, gamma: float) -> float:
    """Multiply by gamma at every step: lr · gamma^step; PyTorch's ExponentialLR."""
    return lr * gamma**step


def linear(step: int, lr: float, *, total_steps: int, eta_min: float = 0.0) -> float:
    """Decrease linearly from lr to ``eta_min`` and stay there; PyTorch's LinearLR.

    Formula, with T = total_steps (``total_iters`` in PyTorch)::

        lr + (eta_min - lr) · min(1, step / T)

    Examples
    --------
    >>> [linear(s, 8.0, total_steps=4) for s in range(6)]
    [8.0, 6.0, 4.0, 2.0, 0.0, 0.0]
    """
    return lr + (eta_min - lr) * min(1, step / total_steps)


def cosine(step: int, lr: float, *, total_steps: int, eta_min: float = 0.0) -> float:
    """Decrease from lr to ``eta_min`` on half a cosine wave; PyTorch's CosineAnnealingLR.

    Formula, with T = total_steps (``T_max`` in PyTorch); beyond T it rises again::

        eta_min + (lr - eta_min) · (1 + cos(π step / T)) / 2

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, eq. 5.
    """
    return _cosine_between(lr, eta_min, step / total_steps)


def warmup(step: int, lr: float, *, warmup_steps: int) -> float:
    """Increase linearly and reach lr at step ``warmup_steps``.

    Formula, whose value at the first step is not 0::

        lr · min(1, (step + 1) / (warmup_steps + 1))

    Examples
    --------
    >>> [warmup(s, 8.0, warmup_steps=3) for s in range(5)]
    [2.0, 4.0, 6.0, 8.0, 8.0]
    """
    return lr * min(1, (step + 1) / (warmup_steps + 1))


def warmup_cosine(
    step: int, lr: float, *, total_steps: int, warmup_steps: int = 0, eta_min: float = 0.0
) -> float:
    """Warm up, decrease on half a cosine wave until ``total_steps``, and stay at ``eta_min``."""
    if step < warmup_steps:
        return warmup(step, lr, warmup_steps=warmup_steps)
    if step >= total_steps:
        return eta_min
    share = (step - warmup_steps) / (total_steps - warmup_steps)
    return _cosine_between(lr, eta_min, share)


def one_cycle(
    step: int,
    lr: float,
    *,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """Increase from ``lr / div_factor`` to lr, then decrease, each on half a cosine wave.

    PyTorch's OneCycleLR with ``max_lr=lr``; the momentum is not changed.

    Parameters
    ----------
    step : int
    lr : float
        The peak.
    total_steps : int
        Length of the cycle; afterwards the last value is kept.
    pct_start : float
        Fraction of the steps that increase.
    div_factor, final_div_factor : float
        The first value is ``lr / div_factor``; the last is ``final_div_factor`` times smaller.

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018, section 3.
    """
    low, peak, last = lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    if step <= peak and peak > 0:
        return _cosine_between(low, lr, step / peak)
    share = (step - peak) / (last - peak) if last > peak else 1
    return _cosine_between(lr, low / final_div_factor, min(1, share))


class Plateau:
    """Multiply by ``factor`` whenever a metric has stopped improving; PyTorch's ReduceLROnPlateau.

    ``observe`` takes each new value of the metric; calling the object returns the learning rate.

    Parameters
    ----------
    mode : {"min", "max"}
        Whether a smaller or a larger value is better.
    factor : float
        In [0, 1).
    patience : int
        Values without improvement that are tolerated; the next one reduces.
    threshold : float
        Smallest improvement, relative to the size of the best value. (PyTorch multiplies the best
        value by 1 ± threshold, so that an equal value counts as better if it is negative.)
    cooldown : int
        Values to ignore after a reduction.
    min_lr : float
        Lower bound.

    Examples
    --------
    >>> plateau = Plateau(patience=1, factor=0.5)
    >>> for loss in [3.0, 2.0, 2.5, 2.5, 1.0]:
    ...     plateau.observe(loss)
    >>> plateau(5, 8.0)
    4.0
    """

    def __init__(
        self,
        *,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        if mode not in ("min", "max"):
            raise ValueError(f'Plateau: expected mode "min" or "max", got {mode!r}')
        if not 0 <= factor < 1:
            raise ValueError(f"Plateau: expected a factor in [0, 1), got {factor}")
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.best: float | None = None  # no value yet
        self.bad: int = 0  # values in a row without improvement
        self.cooling: int = 0  # values of the cooldown still to come
        self.reductions: int = 0

    def observe(self, value: float) -> None:
        """Record a new value of the metric."""
        if self._is_better(value):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.reductions += 1
            self.cooling, self.bad = self.cooldown, 0

    def __call__(self, step: int, lr: float) -> float:
        """Return the current learning rate, which depends on the metric and not on the step."""
        return min(lr, max(lr * self.factor**self.reductions, self.min_lr))

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a JSON-able dict."""
        return {name: getattr(self, name) for name in ("best", "bad", "cooling", "reductions")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        for name in self.state_dict():
            setattr(self, name, state[name])

    def _is_better(self, value):
        if self.best is None or not math.isfinite(value):
            return math.isfinite(value)
        margin = self.threshold * abs(self.best)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "step": step,
    "multistep": multistep,
    "exponential": exponential,
    "linear": linear,
    "cosine": cosine,
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
    "plateau": Plateau,
}


def _cosine_between(start, end, share):
    """Return the value at a share (0 to 1) of the way on half a cosine wave."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
