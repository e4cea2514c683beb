"""Import classes and functions by their paths, ``package.module:Class``.

Only models, data sets and callbacks are accepted: a subclass of `Module` or `Callback`, or a
function that returns one or `DataSplits`. This is checked before anything is called, so that
``os:system`` is refused.
"""

import contextlib
import importlib
import inspect
import runpy
import sysconfig
import typing
from pathlib import Path
from typing import Any


class UnknownNameError(KeyError):
    """Nothing is registered under a name."""

    def __str__(self) -> str:
        return self.args[0]  # KeyError would put the message in quotes


def import_target(path: str, kind: str = "object") -> Any:
    """Import the object at ``"package.module:Class"`` or ``"path/file.py:Class"``.

    Parameters
    ----------
    path : str
    kind : {"model", "dataset", "callback", "object"}
        Required kind; "object" accepts anything.

    Raises
    ------
    UnknownNameError
        There is no such object, or it is not of this kind.
    """
    module_name, _, attribute = path.rpartition(":")
    try:
        if module_name.endswith(".py"):
            target = runpy.run_path(module_name, run_name="user_file")[attribute]
        else:
            target = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError, OSError, KeyError) as error:
        raise UnknownNameError(f"{kind} {path!r} cannot be imported: {error}") from error
    if kind != "object" and not fits(target, kind):
        lacks = ", which implements no hook" if kind == "callback" else ""
        raise UnknownNameError(
            f"{kind} {path!r}: expected {EXPECTED[kind]}, got {_described(target)}{lacks}"
        )
    return target


def fits(target: Any, kind: str) -> bool:
    """Return whether an object can be a model, a data set or a callback, without calling it.

    A function that returns a model or a data set needs no annotation, unless it belongs to Python
    itself or to an installed package.
    """
    wanted = _wanted(kind)
    if inspect.isclass(target):
        hooks = any(hasattr(value, "firstlight_impl") for value in vars(target).values())
        return issubclass(target, wanted) or (kind == "callback" and hooks)
    if not inspect.isfunction(target):
        return False
    returned = _returned(target)
    if returned is None:
        return kind != "callback" and not _is_installed(target)
    return inspect.isclass(returned) and issubclass(returned, wanted)


EXPECTED: dict[str, str] = {
    "model": "a subclass of firstlight.Module, or a function that returns one (-> fl.Module)",
    "callback": "a subclass of firstlight.Callback, or a class with @firstlight.hookimpl methods",
    "dataset": "a function that returns firstlight.DataSplits (-> fl.DataSplits)",
}


def _wanted(kind):
    from firstlight.callback import Callback
    from firstlight.data.splits import DataSplits
    from firstlight.module import Module

    return {"model": Module, "callback": Callback, "dataset": DataSplits}[kind]


def _returned(function):
    """Return the annotation of a function's result, None if it has none."""
    with contextlib.suppress(NameError, TypeError, AttributeError):
        return typing.get_type_hints(function).get("return")
    return function.__annotations__.get("return")  # the annotation cannot be resolved


def _is_installed(function):
    """Return whether a function belongs to the standard library or an installed package."""
    file = Path(function.__code__.co_filename).resolve()
    paths = sysconfig.get_paths()
    roots = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not file.is_file() or any(file.is_relative_to(root) for root in roots)


def _described(target):
    if inspect.isclass(target):
        return f"the class {target.__module__}.{target.__qualname__}"
    if inspect.isroutine(target):
        return f"the function {target.__module__}.{target.__qualname__}"
    return f"an object of class {type(target).__name__}"
