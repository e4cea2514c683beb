"""Numbers of a step that may be its loss, and the comparison of derivatives."""

import math
from dataclasses import dataclass
from typing import Any

CLOSE = 2e-4  # relative; kinks and an epsilon in a logarithm stay below


@dataclass
class Loss:
    """A number of the step, or a sum, that may be the loss.

    Attributes
    ----------
    name : str
    line : int
    how : str
        "last", "sum" or "mean" of the executions of its line.
    keys : tuple
        Of the numbers.
    """

    name: str
    line: int
    how: str
    keys: tuple[Any, ...]

    def of(self, scalars: dict[Any, float]) -> float:
        """Return its derivative from those of the numbers."""
        values = [scalars.get(key, 0.0) for key in self.keys]
        if self.how == "last":
            return values[-1]
        return sum(values) / (len(values) if self.how == "mean" else 1)


def is_mean_elsewhere(loss: Loss, losses: list[Loss], scalars: dict[Any, float]) -> bool:
    """Return whether a sum has no meaning, as the script itself computes the mean."""
    if loss.how != "sum":
        return False
    mean = loss.of(scalars) / len(loss.keys)
    others = [one for one in losses if one.how == "last" and one.line != loss.line]
    return any(close(one.of(scalars), mean, abs(mean)) for one in others)


def close(a: float, b: float, size: float) -> bool:
    """Return whether two derivatives agree."""
    if not math.isfinite(a + b):
        return False
    return abs(a - b) <= CLOSE * (abs(a) + abs(b) + size) / 2 + 1e-11
