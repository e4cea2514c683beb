"""Transforms: functions that change a batch between the data set and the model.

A transform is any ``f(batch, rng) -> batch``. The batch is a tuple of arrays, x first. Each batch
has its own generator ``rng``, so that random transforms draw the same numbers each time the batch
is created, in any thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from firstlight.support.array import Array

Transform: TypeAlias = Callable[[Any, Any], Any]


@dataclass(eq=False)
class Scale:
    """Map the inputs x of a batch to float32 with a given range or mean.

    Formula::

        y = (x / high - mean) / std

    Parameters
    ----------
    high : float
        The value that becomes 1; 255 maps bytes to 0 ... 1.
    mean, std : float or array_like
        Mean and standard deviation of x / high; arrays apply to the last axis (channels, features).

    Raises
    ------
    ValueError
        ``high`` or ``std`` is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.transforms import Scale
    >>> x, y = Scale(10)((np.array([[0, 5, 10]], "uint8"), np.array([3])), rng=None)
    >>> x
    array([[0. , 0.5, 1. ]], dtype=float32)
    """

    high: float = 255.0
    mean: Any = 0.0
    std: Any = 1.0

    def __post_init__(self) -> None:
        """Check the numbers, and compute factor and shift for `__call__`."""
        high, mean, std = self.high, self.mean, self.std
        if not high > 0 or not np.all(np.asarray(std) > 0):
            raise ValueError(f"Scale: expected high and std above 0, got high={high}, std={std}")
        # one product and one sum for each value: y = x * factor + shift
        with np.errstate(over="ignore", under="ignore"):  # `_scaled_wide` needs neither
            self._factor = _plain((1 / (high * np.asarray(std, "float64"))).astype("float32"))
            self._shift = _plain((-np.asarray(mean, "float64") / std).astype("float32"))

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with scaled x; ``rng`` is not used."""
        x, *others = batch
        if x.dtype.itemsize > 4 or (x.dtype.itemsize == 4 and x.dtype.kind != "f"):
            return (self._scaled_wide(x), *others)
        x = x.astype("float32")  # a copy: x may belong to the data set
        x *= _like(x, self._factor)
        if np.any(self._shift):
            x += _like(x, self._shift)
        return (x, *others)

    def _scaled_wide(self, x):
        """Scale wide numbers, e.g. unix seconds, before they are rounded to float32."""
        high, mean, std = (
            _like(x, _plain(np.asarray(n, "float64"))) for n in (self.high, self.mean, self.std)
        )
        x = x / high
        x -= mean
        x /= std
        return x.astype("float32")

    @property
    def factor(self) -> float | None:
        """The factor of x, if it is one number and nothing is added; else None."""
        alone = isinstance(self._factor, float) and not np.any(self._shift)
        return self._factor if alone else None


def _plain(values):
    """Return a 0-d array as a Python float, which fits arrays of any device."""
    return float(values) if values.ndim == 0 else values


def _like(x, values):
    """Return numbers on the device of x."""
    return values if isinstance(values, float) else np.asarray(values, like=x)
