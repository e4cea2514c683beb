"""The search space of a sweep: the values that each setting may take."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstlight.support.printable import shown

if TYPE_CHECKING:
    import optuna

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
MOST = 100_000  # values of a range with steps, and combinations of a grid
LARGEST = 1e18  # whole numbers of 64 bits hold it
KEYS = ("value", "values", "min", "max", "log", "step")
PLAIN = (str, int, float, bool, type(None))  # what Optuna stores as it is


@dataclass(frozen=True)
class Choice:
    """One of several values, which may be anything.

    Parameters
    ----------
    values : tuple
    """

    values: tuple[Any, ...]

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values)

    def grid(self) -> list[Any]:
        """Return all values, as Optuna stores them."""
        return [v if isinstance(v, PLAIN) else json.dumps(v, default=str) for v in self.values]

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Return the value that Optuna suggests for a trial."""
        return self.restored(trial.suggest_categorical(name, self.grid()))

    def restored(self, stored: Any) -> Any:
        """Return the value that Optuna has stored as ``stored``."""
        pairs = zip(self.grid(), self.values, strict=True)
        return next((value for plain, value in pairs if plain == stored), stored)


@dataclass(frozen=True)
class Range:
    """A number from ``min`` to ``max``, both included; whole if both and ``step`` are.

    Parameters
    ----------
    min, max : int or float
    log : bool
        Draw uniformly on a logarithmic scale.
    step : int or float, optional
        Only values at this distance, from ``min`` on.
    """

    min: int | float
    max: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def count(self) -> int | None:
        """Number of values, None of a range without steps."""
        if self.step is None and not (self.whole and not self.log):
            return None
        return math.floor((self.max - self.min) / (self.step or 1) + 1e-9) + 1

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return all(isinstance(v, int) for v in (self.min, self.max, self.step or 1))

    def grid(self) -> list[int | float]:
        """Return all values of a range with steps."""
        return [self._at(index) for index in range(self.count)]

    def suggest(self, trial: optuna.Trial, name: str) -> int | float:
        """Return the value that Optuna suggests for a trial."""
        last = self.max if self.step is None else self._at(self.count - 1)
        if self.whole:
            return trial.suggest_int(name, self.min, last, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, self.min, last, step=self.step, log=self.log)

    def restored(self, stored: int | float) -> int | float:
        """Return the value that Optuna has stored, which is the same."""
        return stored

    def _at(self, index: int) -> int | float:
        value = self.min + index * (self.step or 1)
        return value if self.whole else float(f"{value:.12g}")


def parse_parameter(name: str, said: Any) -> Choice | Range:
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
        numbers = (_number(value) for value in values)
        return Choice(tuple(tuple(v) if isinstance(v, list) else v for v in numbers))
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


def grid_size(space: dict[str, Choice | Range]) -> int:
    """Return the number of combinations of a grid.

    Raises
    ------
    ValueError
        A range without steps has no end of values; or there are more than 100,000 combinations.
    """
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
    size = math.prod(one.count for one in space.values())
    if size > MOST:
        raise ValueError(
            f"parameters: a grid of {size:,} combinations, more than {MOST:,}; take fewer values, "
            "or take method: random"
        )
    return size


def label(value: Any) -> str:
    """Return a value as text for tables and axes: lists as ``64,64``, other non-texts as JSON."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> Any:
    """Return a text such as "1e-4", which YAML takes for one, as the number it means."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return value
    return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value)
