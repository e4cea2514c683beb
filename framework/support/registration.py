"""Check that every module and parameter is registered, and thus trained and saved."""

from __future__ import annotations

import gc
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.parameter import Buffer, Parameter
from firstlight.support import state

if TYPE_CHECKING:
    from firstlight.module import Module

DEPTH = 2  # levels of nested objects that are searched; containers do not count
ADVICE = "keep modules and parameters as attributes, or in lists, tuples and dicts"
CLOSED = (  # not searched: they refer to much of the interpreter, or hide a module on purpose
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.FrameType,
)
PLAIN = frozenset((bool, int, float, str, type(None)))
COLLECTIONS = (list, tuple, dict, set, frozenset)


def check(root: Module, parts: list[tuple[str, Module]]) -> None:
    """Raise an error unless each module and parameter in a module is registered under one name.

    Attributes are registered, and items of lists, tuples and dicts at any depth.

    Parameters
    ----------
    root : Module
    parts : list of (str, Module)
        Its ``named_modules()``.

    Raises
    ------
    TypeError
        A part is in a set, a key of a dict, in another object, or an attribute of the class.
    ValueError
        Two parts have the same name, as with the keys 1 and "1".
    """
    found = [(prefix, name, v) for prefix, part in parts for name, v in state.entries(part)]
    known = {id(part) for _, part in parts} | {id(value) for _, _, value in found}
    _check_keys(type(root).__name__, parts, known)
    names = {}
    for prefix, name, value in found:
        if type(value) in PLAIN:
            continue
        path = f"{prefix}.{name}" if prefix else name
        if is_part(value):
            if names.setdefault(path, value) is not value:
                raise ValueError(
                    f"{type(root).__name__}.{path} is the name of two parts; a dict's keys name "
                    'them as texts, so 1 and "1" are alike: rename one of them'
                )
        elif (part := hidden(value, known, root)) is not None:
            raise TypeError(
                f"{type(root).__name__}.{path} is a {type(value).__name__} that holds a "
                f"{type(part).__name__}, which is not registered: it would not be trained, saved "
                f"or switched to evaluation; {ADVICE}"
                + ("" if isinstance(value, COLLECTIONS) else ", or derive its class from Module")
            )
    for kind, prefix in {type(part): prefix for prefix, part in parts}.items():
        _check_class(type(root).__name__, prefix, kind, known)


def is_part(value: Any) -> bool:
    """Return True for a module, a parameter or a buffer."""
    return isinstance(value, (Parameter, Buffer)) or state.is_module(value)


def hidden(value: Any, known: set[int], root: Module, depth: int = DEPTH) -> Any:
    """Return an unregistered part (not in ``known``) that a value refers to, or None.

    A module that contains the root is its parent, not a part of it.
    """
    if isinstance(value, np.ndarray):  # an array of objects does not report its referents
        value = value.tolist() if value.dtype == object else None
    if not gc.is_tracked(value) or isinstance(value, CLOSED):
        return None
    if not isinstance(value, COLLECTIONS):
        if depth == 0 or type(value).__module__.partition(".")[0] == "firstlight":
            return None
        depth -= 1
    for item in gc.get_referents(value):
        if is_part(item):
            if id(item) not in known and not _contains(item, root):
                return item
        elif (part := hidden(item, known, root, depth)) is not None:
            return part
    return None


def _check_keys(owner, parts, known):
    """Raise a TypeError if a module or parameter is only a key of a dict."""
    for prefix, part in parts:
        for name, value in vars(part).items():
            keys = value if isinstance(value, dict) else ()
            key = next((key for key in keys if is_part(key) and id(key) not in known), None)
            if key is not None:
                path = f"{prefix}.{name}" if prefix else name
                raise TypeError(
                    f"{owner}.{path} is a dict with a {type(key).__name__} as a key, which is not "
                    "registered: it would not be trained, saved or switched to evaluation; "
                    f"{ADVICE}"
                )


def _contains(part, root):
    return state.is_module(part) and any(inside is root for inside in part.modules())


def _check_class(owner, prefix, cls, known):
    """Raise a TypeError if a part is an attribute of a module's class."""
    for kind in cls.__mro__:
        if kind.__module__.partition(".")[0] == "firstlight":
            continue
        for name, value in vars(kind).items():
            held = {name: value} if not isinstance(value, state.CONTAINERS) else value
            if any(is_part(item) and id(item) not in known for _, item in state.items(name, held)):
                path = f"{prefix}.{name}" if prefix else name
                raise TypeError(
                    f"{owner}.{path} is an attribute of the class {kind.__name__}, so it is not "
                    f"registered, and shared by all objects; write self.{name} = ... in "
                    f"{kind.__name__}.__init__"
                )
