"""The arguments that an object was created with, kept for the record of a run."""

from __future__ import annotations

import argparse
import copy
import inspect
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import lru_cache
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
        signature = _signature(kind.__init__)
        bound = signature.bind(None, *self.args, **self.kwargs)
        given = set(bound.arguments)
        bound.apply_defaults()
        named: dict[str, Any] = {}
        unnamed: list[Any] = []
        parameters = list(signature.parameters.values())[1:]
        in_a_row = any(p.kind is p.VAR_POSITIONAL and bound.arguments[p.name] for p in parameters)
        for parameter in parameters:
            value = bound.arguments[parameter.name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                unnamed += value
            elif parameter.kind is parameter.VAR_KEYWORD:
                named |= value
            elif parameter.kind is not parameter.KEYWORD_ONLY and (
                in_a_row or parameter.kind is parameter.POSITIONAL_ONLY
            ):
                unnamed.append(value)
            elif parameter.name in given or is_plain(value):
                named[parameter.name] = value
        return named, unnamed


@lru_cache(maxsize=512)
def _signature(function):
    return inspect.signature(function)


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
