"""Check and convert users' arguments: numbers, counts, intervals, durations."""

import difflib
import re
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

WITH_UNIT = r"\s*(\d+(?:\.\d+)?)\s*(s|sec|seconds?|min|minutes?|h|hours?|d|days?)\s*"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # by the unit's first letter


def plain_number(value: Any) -> Any:
    """Return a NumPy or CuPy scalar or 0-d array as a Python number, other values unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.support.arguments import plain_number
    >>> plain_number(np.array(0.5)), plain_number(np.int64(3)), plain_number("3")
    (0.5, 3, '3')
    """
    return value.item() if getattr(value, "ndim", None) == 0 else value


def for_json(value: Any) -> Any:
    """Return a NumPy number as a Python number; the ``default`` of `json.dumps`."""
    found = plain_number(value)
    if found is value:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return found


def batch_limit(name: str, limit: float | None, total: int) -> int:
    """Return the number of batches to use out of ``total``.

    Parameters
    ----------
    name : str
        The setting, for messages.
    limit : int, float or None
        A count (int), a share (float up to 1.0), or None for all.

    Raises
    ------
    ValueError
        A negative count, or a share outside [0, 1].
    """
    limit = plain_number(limit)
    if limit is None:
        return total
    if not isinstance(limit, Real) or isinstance(limit, bool):
        raise TypeError(f"{name}: expected a count of batches or a share of them, got {limit!r}")
    if isinstance(limit, float):
        if not 0 <= limit <= 1:
            raise ValueError(
                f"{name}: expected a share from 0.0 to 1.0 or a whole count, got {limit}"
            )
        return max(1, round(limit * total)) if limit else 0
    if limit < 0:
        raise ValueError(f"{name}: expected 0 or more batches, got {limit}")
    return min(limit, total)


def parse_count(name: str, count: Any, least: int = 1, *, optional: bool = False) -> Any:
    """Return an integer of at least ``least``; None passes if it is ``optional``.

    Raises
    ------
    TypeError, ValueError
        Not an integer; too small.
    """
    count = plain_number(count)
    if count is None and optional:
        return None
    if not isinstance(count, Integral) or isinstance(count, bool):
        raise TypeError(f"{name}: expected a whole number, got {count!r}")
    if count < least:
        raise ValueError(f"{name}: expected {least} or more, got {count}")
    return int(count)


def parse_choice(name: str, value: str, choices: Collection[str]) -> str:
    """Return a value if it is one of the choices.

    Raises
    ------
    ValueError
        The value is not a choice; the message suggests the closest one.
    """
    if value in choices:
        return value
    *others, last = [f'"{choice}"' for choice in choices]
    known = f"{', '.join(others)} or {last}" if others else last
    expected = f"expected {known}, got {value!r}"
    close = difflib.get_close_matches(str(value), choices, n=1)
    if close:
        what = expected if len(choices) < 10 else f"there is no {value!r}"
        raise ValueError(f"{name}: {what}; did you mean {close[0]!r}?")
    raise ValueError(f"{name}: {expected}")


def parse_interval(name: str, interval: float | str) -> tuple[float, str]:
    """Return an interval as ``(n, unit)``, in "epochs", "steps", "share" of an epoch or "seconds".

    Raises
    ------
    ValueError
        Neither a whole number of 1 or more, nor a share below 1, nor a duration with its unit.

    Examples
    --------
    >>> from firstlight.support.arguments import parse_interval
    >>> [parse_interval("val_every", one) for one in (2, "500 steps", 0.25, "10 min")]
    [(2, 'epochs'), (500, 'steps'), (0.25, 'share'), (600.0, 'seconds')]
    """
    text = str(interval)
    found = re.fullmatch(r"\s*(\d+)\s*(epochs?|steps?)?\s*", text)
    if found and int(found[1]) >= 1:
        return int(found[1]), "steps" if (found[2] or "").startswith("step") else "epochs"
    if ":" in text or re.fullmatch(WITH_UNIT, text):
        return parse_duration(name, interval), "seconds"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError(
            f"{name}: expected a number of epochs such as 1, a share of an epoch such as 0.25, "
            f'"500 steps", or a duration such as "10 min", got {interval!r}'
        )
    return (share, "share") if share < 1 else (1, "epochs")


def parse_duration(name: str, duration: float | str | None) -> float | None:
    """Return seconds from a number of seconds, "HH:MM:SS" or "10 min".

    "MM:SS" and "DD:HH:MM:SS" are read, too; the units are s, min, h and d.

    Raises
    ------
    ValueError
        None of these, or not positive.
    """
    if duration is None:
        return None
    if found := re.fullmatch(WITH_UNIT, str(duration)):
        duration = float(found[1]) * SECONDS[found[2][0]]
    try:
        parts = [float(part) for part in str(duration).split(":")]
        if len(parts) > 4 or min(parts) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(
            f'{name}: expected seconds, "HH:MM:SS" or "10 min", got {duration!r}'
        ) from None
    factors = (1, 60, 3600, 86400)
    seconds = sum(part * factor for part, factor in zip(reversed(parts), factors, strict=False))
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{name}: expected more than 0 seconds, got {duration!r}")
    return seconds
