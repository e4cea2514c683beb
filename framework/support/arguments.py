"""Check and convert users' arguments: numbers, counts, intervals, durations."""

import difflib
import re
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any


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


def parse_interval(name: str, interval: int | str) -> tuple[int, str]:
    """Return an interval as ``(n, unit)``: 2 and "2 epochs" are (2, "epochs"); also "500 steps".

    Raises
    ------
    ValueError
        Neither an integer of 1 or more nor such a phrase.
    """
    found = re.fullmatch(r"\s*(\d+)\s*(epochs?|steps?)?\s*", str(interval))
    if not found or int(found[1]) < 1:
        raise ValueError(
            f'{name}: expected a number of epochs such as 1, or "500 steps", got {interval!r}'
        )
    return int(found[1]), "steps" if (found[2] or "").startswith("step") else "epochs"


def parse_duration(name: str, duration: float | str | None) -> float | None:
    """Return seconds from a number of seconds or "HH:MM:SS" (also "MM:SS", "DD:HH:MM:SS").

    Raises
    ------
    ValueError
        Neither, or not positive.
    """
    if duration is None:
        return None
    try:
        parts = [float(part) for part in str(duration).split(":")]
        if len(parts) > 4 or min(parts) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(f'{name}: expected seconds or "HH:MM:SS", got {duration!r}') from None
    factors = (1, 60, 3600, 86400)
    seconds = sum(part * factor for part, factor in zip(reversed(parts), factors, strict=False))
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{name}: expected more than 0 seconds, got {duration!r}")
    return seconds
