"""The space that is searched: for each setting the values it may take."""

import itertools
import json
import math
import re
from dataclasses import dataclass

import numpy as np

from firstlight.support.printable import shown

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
MOST = 100_000  # values of a range with steps, and combinations of a grid
LARGEST = 1e18  # below what whole numbers of 64 bits can hold
KEYS = ("value", "values", "min", "max", "log", "step")


@dataclass(frozen=True)
class Choice:
    """One of several values, which may be anything.

    Parameters
    ----------
    values : tuple
    """

    values: tuple

    @property
    def count(self):
        """How many values there are."""
        return len(self.values)

    def grid(self):
        """Return all values."""
        return list(self.values)

    def draw(self, rng):
        """Return one of them, each as likely as the others."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True)
class Range:
    """A number from ``min`` to ``max``, both included; whole if both are, or if ``step`` is too.

    Parameters
    ----------
    min, max : int or float
    log : bool
        Each factor is as likely as the others, e.g. 0.001 ... 0.01 as 0.01 ... 0.1.
    step : int or float, optional
        Only values at this distance, from ``min`` on.
    """

    min: int | float
    max: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def count(self):
        """How many values there are, None of a range without steps."""
        if self.step is None and not (self.whole and not self.log):
            return None
        return math.floor((self.max - self.min) / (self.step or 1) + 1e-9) + 1

    @property
    def whole(self):
        """Whether the values are whole numbers."""
        return all(isinstance(v, int) for v in (self.min, self.max, self.step or 1))

    def grid(self):
        """Return all values, or None of a range without steps."""
        if self.count is None:
            return None
        values = [self.min + index * (self.step or 1) for index in range(self.count)]
        return values if self.whole else [float(f"{value:.12g}") for value in values]

    def draw(self, rng):
        """Return one value."""
        if self.step is not None:
            values = self.grid()
            return values[int(rng.integers(len(values)))]
        if self.log:
            low, high = math.log(self.min - 0.5 * self.whole), math.log(self.max + 0.5 * self.whole)
            value = math.exp(rng.uniform(low, high))
            value = min(max(value, self.min), self.max)
            return round(value) if self.whole else float(f"{value:.4g}")
        if self.whole:
            return int(rng.integers(self.min, self.max + 1))
        return float(f"{rng.uniform(self.min, self.max):.4g}")


def parse_parameter(name, said):
    """Return the `Choice` or `Range` that a sweep's file gives for a setting.

    A list, or ``{values: [...]}``, or ``{value: ...}``, or ``{min: ..., max: ...}`` with ``log:
    true`` or ``step: ...``.

    Raises
    ------
    ValueError
        Anything else.

    Examples
    --------
    >>> from firstlight.tools.sweeps.space import parse_parameter
    >>> parse_parameter("model.lr", {"min": "1e-4", "max": 0.1, "log": True})
    Range(min=0.0001, max=0.1, log=True, step=None)
    >>> parse_parameter("model.hidden", ["32", "64,64"])
    Choice(values=(32, '64,64'))
    """
    who = f"parameters: {name}"
    if isinstance(said, (list, tuple)):
        said = {"values": said}
    if not isinstance(said, dict) or not said:
        raise ValueError(
            f"{who}: expected a list of values, or {{min: ..., max: ...}} with log: true or "
            f"step: ..., got {shown(said)}"
        )
    for key in said:
        if key not in KEYS:
            raise ValueError(f"{who}: {shown(key)} is not known; there are {', '.join(KEYS)}")
    if "value" in said or "values" in said:
        if len(said) > 1:
            raise ValueError(f"{who}: values stand alone, got also {', '.join(list(said)[1:])}")
        values = [said["value"]] if "value" in said else said["values"]
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(f"{who}: expected a list of values, got {shown(values)}")
        return Choice(tuple(_freeze(_number(value)) for value in values))
    if "min" not in said or "max" not in said:
        raise ValueError(f"{who}: a range needs both min and max")
    found = Range(
        _number(said["min"]),
        _number(said["max"]),
        bool(said.get("log", False)),
        _number(said.get("step")),
    )
    numbers = (found.min, found.max) + ((found.step,) if found.step is not None else ())
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in numbers):
        raise ValueError(f"{who}: min, max and step must be numbers, got {shown(said)}")
    if not all(-LARGEST < v < LARGEST for v in numbers):  # nor NaN
        raise ValueError(f"{who}: min, max and step must be below 1e18 in size, got {shown(said)}")
    if not found.min < found.max:
        raise ValueError(f"{who}: min must be below max, got {found.min} and {found.max}")
    if found.log and (found.min <= 0 or found.step is not None):
        raise ValueError(f"{who}: with log, min must be above 0 and there can be no step")
    if found.step is not None and found.step <= 0:
        raise ValueError(f"{who}: step must be above 0, got {found.step}")
    if found.step is not None and found.count > MOST:
        raise ValueError(
            f"{who}: step {found.step} makes {found.count:,} values from {found.min} to "
            f"{found.max}, more than {MOST:,}; take a larger step, or none"
        )
    return found


def grid_size(space):
    """Return how many combinations there are; see `grid`."""
    for name, one in space.items():
        if one.count is None:
            raise ValueError(
                f"parameters: {name}: a grid needs values, or a range with a step; or take "
                "method: random"
            )
        if one.count > MOST:
            raise ValueError(
                f"parameters: {name}: {one.count:,} values are more than {MOST:,}; give it a step, "
                "or take method: random"
            )
    return math.prod(one.count for one in space.values())


def grid(space, most=None):
    """Return every combination, ``[{name: value}]``, or the first so many.

    The last name changes fastest.

    Raises
    ------
    ValueError
        A range without steps has no end of values; or there are more than 100,000.
    """
    size = grid_size(space)
    if min(size, most or size) > MOST:
        raise ValueError(
            f"parameters: a grid of {size:,} combinations, more than {MOST:,}; take fewer values, "
            "say how many trials, or take method: random"
        )
    values = [one.grid() for one in space.values()]
    return [
        dict(zip(space, chosen, strict=True))
        for chosen in itertools.islice(itertools.product(*values), most)
    ]


def sample(space, seed, number):
    """Return the combination ``{name: value}`` of a trial; it follows from seed and number."""
    rng = np.random.default_rng([seed, number])
    return {name: one.draw(rng) for name, one in space.items()}


def label(value):
    """Return a value as texts and axes show it: lists as ``64,64``, and what is no text as JSON."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _number(value):
    """Return a text such as "1e-4", which YAML takes for one, as the number it means."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return value
    return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value)


def _freeze(value):
    return tuple(value) if isinstance(value, list) else value
