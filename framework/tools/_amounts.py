"""Metrics and their intervals in words, for `firstlight.tools.significance` and reports."""

import math

from firstlight.tools.language import say

SHARES = ("acc", "accuracy", "top", "precision", "recall", "f1")  # told in percentage points


def amounts(metric: str, value: float, low: float, high: float) -> tuple[str, str, str]:
    """Return a value in words, e.g. "1.2 points", and the ends of its interval as numbers."""
    points = is_share(metric)
    factor = 100 if points else 1
    value, low, high = factor * value, factor * low, factor * high
    width = high - low
    digits = 3 if not width > 0 else min(max(1 - math.floor(math.log10(width)), 0), 8)
    shown = [f"{one:.{digits}f}" for one in (value, low, high)]
    unit = f" {say('points')}" if points else ""
    return shown[0] + unit, shown[1], shown[2]


def bracketed(interval: tuple[float, float]) -> str:
    """Return an interval as text: "[0.84, 0.91]"."""
    low, high = interval
    width = high - low
    digits = 4 if not width > 0 else min(max(1 - math.floor(math.log10(width)), 0), 8)
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def is_share(name: str) -> bool:
    """Return whether a metric is a share, such as an accuracy."""
    words = name.split("_")
    return any(one in SHARES for word in words for one in (word, word.rstrip("0123456789")))


def in_words(name: str) -> str:
    """Return "test accuracy" for "test_acc"."""
    words = name.replace("_", " ")
    return say(words + "uracy" if words.endswith(" acc") else words)
