"""Lists of numbers among the values of a script, by their place in its objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from firstlight.support.array import Array

CODE = ModuleType, type, FunctionType, BuiltinFunctionType, MethodType
DEPTH, ENTRIES = 5, 20_000  # of objects; of one value


@dataclass
class Value:
    """A nested list of numbers, or a number that an object has.

    Attributes
    ----------
    array : array
        Its numbers.
    write : callable
        ``write(array)`` replaces them.
    """

    array: Array
    write: Callable[[Array], None]

    def copied(self) -> "Value":
        """Return the same with a copy of the numbers."""
        return Value(np.array(self.array, "float64"), self.write)

    def differs(self, other: "Value") -> bool:
        """Return whether another value has the same shape and other numbers."""
        same = self.array.shape == other.array.shape
        return same and not np.array_equal(self.array, other.array)


Values = dict[str, Value]


def values_in(names: Mapping[str, Any]) -> Values:
    """Return the values that can be reached from names, by their source text.

    Parameters
    ----------
    names : dict of str to object
        The names in scope.
    """
    found: Values = {}
    seen: set[int] = set()
    for name, value in names.items():
        if not name.startswith("__"):
            _search(value, name, found, seen, 0)
    return found


def _search(value, text, found, seen, depth):
    if id(value) in seen or depth > DEPTH or isinstance(value, CODE):
        return
    seen.add(id(value))
    if isinstance(value, list) and (numbers := _numbers(value)) is not None:
        found[text] = Value(numbers, lambda new: _fill(value, new))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value[:100]):
            _search(part, f"{text}[{index}]", found, seen, depth + 1)
    elif isinstance(value, dict):
        _search_items(value, lambda key: f"{text}[{key!r}]", found, seen, depth)
    elif hasattr(value, "__dict__"):
        _search_items(vars(value), lambda key: f"{text}.{key}", found, seen, depth)


def _search_items(items, text_of, found, seen, depth):
    for key, part in list(items.items()):
        if type(part) is float:
            write = lambda new, key=key: items.__setitem__(key, float(new))  # noqa: E731
            found[text_of(key)] = Value(np.array(part), write)
        else:
            _search(part, text_of(key), found, seen, depth + 1)


def _numbers(value):
    """Return the numbers of a nested list as an array, None if it has others or is too long."""
    first, size = value, 1
    while isinstance(first, list) and first:
        first, size = first[0], size * len(first)
    if type(first) not in (int, float) or size > ENTRIES:
        return None
    try:
        found = np.array(value)
    except ValueError:  # rows of unequal lengths
        return None
    return found.astype("float64") if found.dtype.kind in "if" else None


def _fill(value, new):
    for index, part in enumerate(new):
        if isinstance(value[index], list):
            _fill(value[index], part)
        else:
            value[index] = float(part)
