"""Places in the user's source: the line of a function that has certain words, or that raised."""

import linecache
import sys
import traceback
from collections.abc import Callable
from typing import Any

from firstlight.tools.diagnose.kind import Place

PACKAGE = "firstlight"
FOREIGN = {PACKAGE, "numpy", *sys.stdlib_module_names} - {"__main__"}


def line_of(function: Callable[..., Any], *words: str) -> Place | None:
    """Return the last line of a function that has all words, its first line without one.

    None for a function of the package, or without a source.
    """
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None or function.__module__.split(".")[0] == PACKAGE:
        return None
    lines = linecache.getlines(code.co_filename)
    numbers = [code.co_firstlineno, *sorted({line for *_, line in code.co_lines() if line})]
    chosen = numbers[0]
    for number in numbers:
        if words and number <= len(lines) and all(word in lines[number - 1] for word in words):
            chosen = number
    return Place.of(code.co_filename, chosen)


def own_line(error: BaseException) -> Place | None:
    """Return the innermost line of the user's source in an error's traceback, or None."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_globals.get("__name__", "").split(".")[0] not in FOREIGN:
            return Place.of(frame.f_code.co_filename, number)
    return None


def in_the_check(error: BaseException) -> bool:
    """Return whether an exception arose in the check itself, not in code that it ran."""
    if own_line(error) is not None:
        return False
    names = [f.f_globals.get("__name__", "") for f, _ in traceback.walk_tb(error.__traceback__)]
    package = [name for name in names if name.split(".")[0] == PACKAGE]
    return not package or package[-1].startswith(f"{PACKAGE}.tools.diagnose")
