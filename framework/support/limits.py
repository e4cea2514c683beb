"""Limits of a training: how many batches, how long, how often to validate."""

import re
from numbers import Integral, Real

from firstlight.support.scalars import plain_number


def batch_limit(name, limit, total):
    """Return how many of ``total`` batches to use.

    Parameters
    ----------
    name : str
        The setting, for messages.
    limit : int, float or None
        A count (int), a share of all (float up to 1.0), or None for all.

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


def parse_count(name, count, least=1, *, optional=False):
    """Return a whole number of at least ``least``; None passes where it is ``optional``.

    Raises
    ------
    TypeError, ValueError
        Not a whole number; too small.
    """
    count = plain_number(count)
    if count is None and optional:
        return None
    if not isinstance(count, Integral) or isinstance(count, bool):
        raise TypeError(f"{name}: expected a whole number, got {count!r}")
    if count < least:
        raise ValueError(f"{name}: expected {least} or more, got {count}")
    return int(count)


def parse_interval(name, interval):
    """Return ``(n, unit)`` of "every n": 2 and "2 epochs" are (2, "epochs"); also "500 steps".

    Raises
    ------
    ValueError
        Neither a whole number of 1 or more nor such a phrase.
    """
    found = re.fullmatch(r"\s*(\d+)\s*(epochs?|steps?)?\s*", str(interval))
    if not found or int(found[1]) < 1:
        raise ValueError(
            f'{name}: expected a number of epochs such as 1, or "500 steps", got {interval!r}'
        )
    return int(found[1]), "steps" if (found[2] or "").startswith("step") else "epochs"


def parse_duration(name, duration):
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
