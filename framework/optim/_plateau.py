"""Plateau: the schedule that watches a metric."""

import math
from typing import Any


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
