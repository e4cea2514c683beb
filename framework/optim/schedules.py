"""Learning-rate schedules: functions of the step and the initial learning rate.

``schedule(step, lr, **settings)`` returns the learning rate of a step (or epoch), counted from 0.
A schedule knows no past, so that a training that goes on from a checkpoint needs only the step;
`Plateau`, which watches a metric, is the exception. Names and settings are PyTorch's, except
that the length of a schedule is ``total_steps`` everywhere.

`firstlight.callbacks.LRSchedule` applies them; so does a loop of one's own::

    optimizer.lr = schedules.cosine(step, 0.1, total_steps=1000)
"""

import math
from bisect import bisect_right


def constant(step, lr):
    """Return lr, whatever the step."""
    return lr


def step(step, lr, *, step_size, gamma=0.1):
    """Multiply by gamma every ``step_size`` steps; PyTorch's StepLR.

    Formula::

        lr · gamma^⌊step / step_size⌋

    Examples
    --------
    >>> [step(s, 8.0, step_size=2, gamma=0.5) for s in range(5)]
    [8.0, 8.0, 4.0, 4.0, 2.0]
    """
    return lr * gamma ** (step // step_size)


def multistep(step, lr, *, milestones, gamma=0.1):
    """Multiply by gamma at every step of the list ``milestones``; PyTorch's MultiStepLR."""
    return lr * gamma ** bisect_right(sorted(milestones), step)


def exponential(step, lr, *, gamma):
    """Multiply by gamma at every step: lr · gamma^step; PyTorch's ExponentialLR."""
    return lr * gamma**step


def linear(step, lr, *, total_steps, eta_min=0.0):
    """Go from lr to ``eta_min`` in a straight line, and stay there; PyTorch's LinearLR.

    Formula, with T = total_steps (``total_iters`` in PyTorch)::

        lr + (eta_min - lr) · min(1, step / T)

    Examples
    --------
    >>> [linear(s, 8.0, total_steps=4) for s in range(6)]
    [8.0, 6.0, 4.0, 2.0, 0.0, 0.0]
    """
    return lr + (eta_min - lr) * min(1, step / total_steps)


def cosine(step, lr, *, total_steps, eta_min=0.0):
    """Go down half a cosine wave, from lr to ``eta_min``; PyTorch's CosineAnnealingLR.

    Formula, with T = total_steps (``T_max`` in PyTorch); beyond T it goes up again::

        eta_min + (lr - eta_min) · (1 + cos(π step / T)) / 2

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, eq. 5.
    """
    return _cosine_between(lr, eta_min, step / total_steps)


def warmup(step, lr, *, warmup_steps):
    """Go up in a straight line, and reach lr at step ``warmup_steps``.

    Formula; the first step, too, learns something::

        lr · min(1, (step + 1) / (warmup_steps + 1))

    Examples
    --------
    >>> [warmup(s, 8.0, warmup_steps=3) for s in range(5)]
    [2.0, 4.0, 6.0, 8.0, 8.0]
    """
    return lr * min(1, (step + 1) / (warmup_steps + 1))


def warmup_cosine(step, lr, *, total_steps, warmup_steps=0, eta_min=0.0):
    """Warm up, go down half a cosine wave until ``total_steps``, and stay at ``eta_min``."""
    if step < warmup_steps:
        return warmup(step, lr, warmup_steps=warmup_steps)
    if step >= total_steps:
        return eta_min
    share = (step - warmup_steps) / (total_steps - warmup_steps)
    return _cosine_between(lr, eta_min, share)


def one_cycle(step, lr, *, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """Go up from ``lr / div_factor`` to lr and then far down, each on half a cosine wave.

    PyTorch's OneCycleLR with ``max_lr=lr``; the momentum stays as it is.

    Parameters
    ----------
    step : int
    lr : float
        The peak.
    total_steps : int
        Length of the cycle; afterwards the last value stays.
    pct_start : float
        Share of the steps that go up.
    div_factor, final_div_factor : float
        The first value is ``lr / div_factor``, the last one ``final_div_factor`` times smaller.

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

    ``observe`` takes each new value of the metric; calling the object gives the learning rate.

    Parameters
    ----------
    mode : {"min", "max"}
        Whether a smaller or a larger value is better.
    factor : float
        In [0, 1).
    patience : int
        This many values may be no better; the next one reduces.
    threshold : float
        Better means: by this share of the best value's size. (PyTorch multiplies the best value by
        1 ± threshold; of a negative one, each equal value is better then.)
    cooldown : int
        Values to let pass after a reduction.
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
        self, *, mode="min", factor=0.1, patience=10, threshold=1e-4, cooldown=0, min_lr=0.0
    ):
        if mode not in ("min", "max"):
            raise ValueError(f'Plateau: expected mode "min" or "max", got {mode!r}')
        if not 0 <= factor < 1:
            raise ValueError(f"Plateau: expected a factor in [0, 1), got {factor}")
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.cooldown, self.min_lr = threshold, cooldown, min_lr
        self.best = None  # no value yet
        self.bad = 0  # values in a row that were no better
        self.cooling = 0  # values of the cooldown still to come
        self.reductions = 0

    def observe(self, value):
        """Take note of a new value of the metric."""
        if self._is_better(value):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.reductions += 1
            self.cooling, self.bad = self.cooldown, 0

    def __call__(self, step, lr):
        """Return the learning rate now; what counts is what was observed, not the step."""
        return min(lr, max(lr * self.factor**self.reductions, self.min_lr))

    def state_dict(self):
        """Return what was learned from the values so far, as a JSON-able dict."""
        return {name: getattr(self, name) for name in ("best", "bad", "cooling", "reductions")}

    def load_state_dict(self, state):
        """Take back what `state_dict` returned."""
        for name in self.state_dict():
            setattr(self, name, state[name])

    def _is_better(self, value):
        if self.best is None or not math.isfinite(value):
            return math.isfinite(value)
        margin = self.threshold * abs(self.best)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin


SCHEDULES = {
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
