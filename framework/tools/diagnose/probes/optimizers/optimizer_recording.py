"""Recording of each optimizer that a script makes, as a copy from before its first step."""

import builtins
import contextlib
import copy
import functools
import inspect
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.parameter import Parameter

METHODS = ("step", "update", "apply_gradients", "apply", "__call__")  # that may move weights


@dataclass
class FirstUpdate:
    """An object before its first call of a method that may move weights; all is a copy.

    Attributes
    ----------
    optimizer : object
    method : str
    arguments : tuple of (tuple, dict)
        Positional and named ones.
    """

    optimizer: Any
    method: str = "step"
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})


@contextlib.contextmanager
def recording_optimizers(folder: Path) -> Iterator[list[FirstUpdate]]:
    """Yield a list that fills with the first step of each object that may be an optimizer.

    Classes that files of a folder define inside the block are looked at.
    """
    found: list[FirstUpdate] = []
    inside = os.path.abspath(folder)
    build, seen, active = builtins.__build_class__, [], True

    def recorded(name, method):
        @functools.wraps(method)
        def call(self, *arguments, **named):
            first = None
            if active and not any(known is self for known in seen):
                seen.append(self)
                with contextlib.suppress(Exception):  # what cannot be copied is not looked at
                    first = FirstUpdate(*copied((self, name, (arguments, named))))
                    found.append(first)
            result = method(self, *arguments, **named)
            if isinstance(result, tuple):  # an environment
                found[:] = [one for one in found if one is not first]
            return result

        return call

    def building(function, name, *bases, **options):
        cls = build(function, name, *bases, **options)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None) or "/"
        own_file = os.path.abspath(file).startswith(inside) and "site-packages" not in file
        of_package = cls.__module__.startswith("firstlight")
        if own_file and not of_package and not issubclass(cls, Module):
            own = [key for key in METHODS if inspect.isfunction(vars(cls).get(key))]
            if issubclass(cls, Optimizer) and "step" not in vars(cls):
                cls.step = lambda self: super(cls, self).step()
            for key in ["step"] if issubclass(cls, Optimizer) else own:
                setattr(cls, key, recorded(key, vars(cls)[key]))
        return cls

    try:
        with mock.patch.object(builtins, "__build_class__", building):
            yield found
    finally:
        active = False


def copied(value: Any) -> Any:
    """Return a deep copy, in which dicts by `id` of an object are by that of its copy."""
    memo: dict[int, Any] = {}
    twin = copy.deepcopy(value, memo)
    for part in contained(twin, dict):
        if any(type(key) is int and key in memo for key in part):
            items = [(id(memo[k]) if k in memo else k, v) for k, v in part.items()]
            part.clear()
            part.update(items)
    return twin


def contained(value: Any, kind: type) -> list[Any]:
    """Return the objects of a class in a value, its containers and their attributes, each once."""
    found: dict[int, Any] = {}
    seen: set[int] = set()

    def walk(value, depth):
        if id(value) in seen or depth > 6:
            return
        seen.add(id(value))
        if isinstance(value, kind):
            found[id(value)] = value
        if isinstance(value, dict):
            value = list(value.values())
        elif isinstance(value, Module):
            value = [vars(value), value.parameters()]
        elif hasattr(value, "__dict__") and not isinstance(value, (type, Parameter)):
            value = [{name: part for name, part in vars(value).items() if name != "flat"}]
        if isinstance(value, (list, tuple)):
            for part in value:
                walk(part, depth + 1)

    walk(value, 0)
    return list(found.values())
