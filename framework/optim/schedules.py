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

from firstlight.optim._plateau import Plateau


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


def cosine_restarts(
    step: int, lr: float, *, T_0: int, T_mult: int = 1, eta_min: float = 0.0
) -> float:
    """Repeat `cosine`, from lr each time; PyTorch's CosineAnnealingWarmRestarts.

    Formula, with cycle i = 0, 1, ... of T_i = T_0 · T_mult^i steps, of which t are over::

        eta_min + (lr - eta_min) · (1 + cos(π t / T_i)) / 2

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, eq. 5.

    Examples
    --------
    >>> [round(cosine_restarts(s, 8.0, T_0=2, T_mult=2), 2) for s in range(7)]
    [8.0, 4.0, 8.0, 6.83, 4.0, 1.17, 8.0]
    """
    if T_0 < 1 or T_mult < 1:
        raise ValueError(
            f"cosine_restarts: expected T_0 and T_mult of 1 or more, got {T_0} and {T_mult}"
        )
    length = T_0
    if T_mult == 1:
        step %= length
    while step >= length:
        step, length = step - length, length * T_mult
    return _cosine_between(lr, eta_min, step / length)


def polynomial(step: int, lr: float, *, total_steps: int, power: float = 1.0) -> float:
    """Decrease to 0 as a power of the steps that are left, and stay there; PyTorch's PolynomialLR.

    Formula, with T = total_steps (``total_iters`` in PyTorch)::

        lr · (1 - min(1, step / T))^power

    Examples
    --------
    >>> [polynomial(s, 16.0, total_steps=4, power=2.0) for s in range(6)]
    [16.0, 9.0, 4.0, 1.0, 0.0, 0.0]
    """
    return lr * (1 - min(1, step / total_steps)) ** power


def inverse_sqrt(step: int, lr: float, *, warmup_steps: int = 0) -> float:
    """Warm up, then decrease with the inverse square root of the step; the Transformer's schedule.

    Formula, with t = step + 1 and w = warmup_steps + 1::

        lr · min(t / w, √(w / t))

    In the paper t counts from 1, w is ``warmup_steps``, and lr = 1 / √(d_model · w).

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, eq. 3.

    Examples
    --------
    >>> [round(inverse_sqrt(s, 8.0, warmup_steps=3), 2) for s in range(8)]
    [2.0, 4.0, 6.0, 8.0, 7.16, 6.53, 6.05, 5.66]
    """
    if step < warmup_steps:
        return warmup(step, lr, warmup_steps=warmup_steps)
    return lr * math.sqrt((warmup_steps + 1) / (step + 1))


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


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "step": step,
    "multistep": multistep,
    "exponential": exponential,
    "linear": linear,
    "polynomial": polynomial,
    "inverse_sqrt": inverse_sqrt,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
    "plateau": Plateau,
}


def _cosine_between(start, end, share):
    """Return the value at a share (0 to 1) of the way on half a cosine wave."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
