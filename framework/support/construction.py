"""The arguments that an object was created with, kept for the record of a run."""

from __future__ import annotations

import argparse
import copy
import inspect
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Self

NAMESPACES = (argparse.Namespace, types.SimpleNamespace)
DEEP = 3  # dataclasses in dataclasses
LARGE = 2**18  # bytes; larger arrays are not kept alive


class Construction:
    """The arguments of one call of a class.

    Lists, dicts, parsed arguments and dataclasses are copied, because a constructor may change
    them. Of a large array only a description is kept. A copy of an object shares its record, and
    a pickled one loses it.

    Parameters
    ----------
    args : tuple
    kwargs : dict
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> None:
        self.args = tuple([_kept(value) for value in args])
        self.kwargs = {name: _kept(value) for name, value in kwargs.items()} if kwargs else {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Construction, ()

    def by_name(self, kind: type) -> tuple[dict[str, Any], list[Any]]:
        """Return the arguments by the names of parameters of ``kind.__init__``, with defaults.

        Arguments that have no name, ``*args``, are in the list, after all that come before them.
        """
        function = inspect.unwrap(kind.__init__)
        places, only_place, keywords, defaults, flags = _parameters(function)
        by_place, rest = dict(zip(places, self.args, strict=False)), self.args[len(places) :]
        known = (*places[only_place:], *keywords)
        by_keyword = {name: value for name, value in self.kwargs.items() if name in known}
        others = {name: value for name, value in self.kwargs.items() if name not in known}
        given = by_place | by_keyword
        values = defaults | given
        if (
            len(given) < len(by_place) + len(by_keyword)
            or len(values) < len(places) + len(keywords)
            or (rest and not flags & inspect.CO_VARARGS)
            or (others and not flags & inspect.CO_VARKEYWORDS)
        ):
            raise TypeError(f"{kind.__name__} was not created by the arguments of its __init__")
        in_order = len(places) if rest else only_place
        named = {
            name: values[name]
            for name in (*places[in_order:], *keywords)
            if name in given or is_plain(values[name])
        }
        return named | others, [*(values[name] for name in places[:in_order]), *rest]


def _parameters(function):
    """Return names by place, how many of them have no keyword, keywords, defaults and flags.

    They are those after ``self``. `inspect.signature` takes 30 times as long.
    """
    code = getattr(function, "__code__", None)
    if code is None:  # object.__init__
        return (), 0, (), {}, 0
    names, count = code.co_varnames, code.co_argcount
    places, keywords = names[1:count], names[count : count + code.co_kwonlyargcount]
    last = reversed(function.__defaults__ or ())
    defaults = dict(zip(reversed(places), last, strict=False)) | (function.__kwdefaults__ or {})
    return places, max(0, code.co_posonlyargcount - 1), keywords, defaults, code.co_flags


class Described(str):
    """A text in the place of an argument that is not kept."""


def is_plain(value: Any) -> bool:
    """Return whether JSON has a value: a number, a text, None, or a list or tuple of such."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _kept(value, depth=0):
    kind = type(value)
    if kind is list or kind is dict:
        return value.copy()
    if kind in NAMESPACES or (is_dataclass(kind) and not hasattr(value, "_construction")):
        found = copy.copy(value)
        if depth < DEEP and hasattr(found, "__dict__"):  # a config may hold others
            vars(found).update({n: _kept(v, depth + 1) for n, v in vars(found).items()})
        return found
    # Asked of the class: an object may answer any name, and a class such as np.float32 has nbytes.
    if hasattr(kind, "nbytes") and hasattr(kind, "shape") and value.nbytes > LARGE:
        return Described(f"{kind.__name__} {getattr(value, 'dtype', '')} {tuple(value.shape)}")
    return value
