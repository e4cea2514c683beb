"""Values as JSON: exactly, to create an object again, and plainly, to be read in ``config.json``.

JSON's own values stand for themselves, lists included. Anything else is a dict with one key that
says what it is::

    {"tuple": [1, 2]}  {"dict": [["a", 1]]}  {"array": [0.5, 0.5], "dtype": "float32"}
    {"namespace": {"hidden": 16}}            # of argparse
    {"reference": "package.module:Class"}    # a class, a function or a member of an Enum
    {"object": "package.module:Class", "arguments": {"hidden": 16}, "unnamed": []}
    {"partial": {"reference": "numpy:clip"}, "arguments": {"a_min": 0}, "unnamed": []}
    {"same": 0}                              # the object that has "number": 0
    {"unkept": "<_io.TextIOWrapper name='x.txt'>"}

There is no pickle: only these are created again, by calls of classes that the caller has found.
"""

from __future__ import annotations

import base64
import datetime
import functools
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.runs.masking import MASK, is_secret, masked_text
from firstlight.support.construction import LARGE, NAMESPACES, Described
from firstlight.support.printable import cut_off

MOST = 1000  # items of a list or dict; an array of more is not written as a list
DEEP = 20
TEXT = 100_000  # characters
COLLECTIONS = (list, tuple, set, frozenset, dict)
CALLS = ("object", "partial")  # which have arguments
DATES = (datetime.date, datetime.datetime, datetime.time)


class UnkeptError(ValueError):
    """A value was not kept, so that an object cannot be created again."""


def encode(value: Any, depth: int = 0, seen: dict[int, dict[str, Any]] | None = None) -> Any:
    """Return a value as JSON, from which `firstlight.runs.decoding.decode` creates it again.

    ``seen`` has the modules that are encoded already, by id. One that comes again is named, so that
    it is one module after `decode`, too.
    """
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, Described):
        return {"unkept": str(value)}
    if type(value) is str:
        return value if len(value) <= TEXT else unkept(value)
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return encode(value.item())
    if depth > DEEP or (isinstance(value, COLLECTIONS) and len(value) > MOST):
        return unkept(value)
    seen = {} if seen is None else seen

    def inner(items):
        return [encode(item, depth + 1, seen) for item in items]

    if type(value) is list:
        return inner(value)
    if type(value) in (tuple, set, frozenset):
        return {type(value).__name__: inner(value)}
    if type(value) is dict:
        pairs = ((n, MASK if is_secret(n) else v) for n, v in value.items())
        return {"dict": [inner(pair) for pair in pairs]}
    if type(value) in NAMESPACES:
        return {"namespace": {n: encode(v, depth + 1, seen) for n, v in vars(value).items()}}
    if isinstance(value, Module):
        return _encoded_module(value, depth, seen)
    if isinstance(value, functools.partial):
        function = encode(value.func, depth + 1, seen)
        return {"partial": function} | _arguments(value.keywords, value.args, depth, seen)
    given = None
    if is_dataclass(value) and not isinstance(value, type):
        given = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
    elif is_named_tuple(type(value)):
        given = value._asdict()
    return _encoded_leaf(value) if given is None else _object(value, given, [], depth, seen)


def _encoded_leaf(value):
    """Return a value that has no parts as JSON."""
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if type(value) in DATES:
        return {type(value).__name__: value.isoformat()}
    if type(value) is datetime.timedelta:
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if type(value) is bytes and len(value) <= TEXT:
        return {"bytes": _as_text(value)}
    if isinstance(value, np.dtype):
        return {"dtype_of": value.name}
    if type(value) is np.ndarray and value.nbytes <= LARGE and value.dtype.kind in "biuf":
        if value.size <= MOST:
            return {"array": value.tolist(), "dtype": value.dtype.name}
        text = _as_text(value.astype(value.dtype.newbyteorder("<")).tobytes())
        return {"array": text, "dtype": value.dtype.name, "shape": list(value.shape)}
    if isinstance(value, np.ufunc):
        return {"reference": f"numpy:{value.__name__}"}
    name = "<unknown>"
    if isinstance(value, Enum) and value.name in type(value).__members__:
        name = f"{reference(type(value))}.{value.name}"
    elif isinstance(value, type) or (inspect.isroutine(value) and not _is_of_object(value)):
        name = reference(value)
    return unkept(value) if "<" in name else {"reference": name}


def _is_of_object(function):
    """Return whether it is a method of an object, which its name does not tell."""
    owner = getattr(function, "__self__", None)
    return owner is not None and not isinstance(owner, (type, ModuleType))


def _encoded_module(module, depth, seen):
    """Return a module as JSON, or the number of one that was encoded before."""
    if id(module) in seen:
        return {"same": seen[id(module)].setdefault("number", _next_number(seen))}
    try:
        created = module._construction.by_name(type(module))
    except (TypeError, ValueError, AttributeError):  # __init__ was replaced
        return unkept(module, reference(type(module)))
    found = seen[id(module)] = _object(module, *created, depth, seen)
    return found


def _next_number(seen):
    return sum("number" in encoded for encoded in seen.values())


def _object(value, named, unnamed, depth, seen):
    """Return an object as JSON: its class, and the arguments that it was created with."""
    name = reference(type(value))
    if "<locals>" in name:
        return unkept(value, f"{name}, a class that a function makes")
    return {"object": name} | _arguments(named, unnamed, depth, seen)


def _arguments(named, unnamed, depth, seen):
    return {
        "arguments": {n: encode(v, depth + 1, seen) for n, v in named.items()},
        "unnamed": [encode(v, depth + 1, seen) for v in unnamed],
    }


def _as_text(content):
    return base64.b64encode(content).decode()


def is_named_tuple(kind: type) -> bool:
    """Return whether a class was made by ``NamedTuple`` or ``namedtuple``."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_asdict")


def reference(value: Any) -> str:
    """Return ``"package.module:Class"`` of a class or function."""
    return f"{getattr(value, '__module__', '<unknown>')}:{getattr(value, '__qualname__', value)}"


def unkept(value: Any, text: str | None = None) -> dict[str, str]:
    """Return the mark of a value that is not kept, with a short text about it."""
    return {"unkept": text or short(value)}


def short(value: Any) -> str:
    """Return one short line about a value that JSON does not have; the same in each process.

    Secrets that its ``repr`` names are masked.
    """
    if isinstance(value, np.ndarray) or hasattr(value, "__array_interface__"):
        return f"{type(value).__name__} {value.dtype} {value.shape}"
    if isinstance(value, type) or inspect.isroutine(value):
        return reference(value)
    if isinstance(value, (str, *COLLECTIONS)) and len(value) > MOST:
        return f"{type(value).__name__} of {len(value):,} items"
    try:
        text = repr(value)
    except Exception as error:  # of a user's __repr__
        text = f"<{type(value).__name__}: its repr raises {type(error).__name__}>"
    return cut_off(masked_text(re.sub(r" at 0x[0-9A-Fa-f]+", "", text)))


def is_unkept(encoded: Any) -> bool:
    """Return whether an encoded value, or a part of it, was not kept."""
    return next(unkept_places(encoded, ""), None) is not None


def unkept_places(encoded: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yield the places in an encoded value that were not kept, each with its short text."""
    for place, part in _parts(encoded, where):
        if isinstance(part, dict) and "unkept" in part:
            yield place, part["unkept"]


def secrets(encoded: Any, where: str) -> Iterator[str]:
    """Yield the places in an encoded value that have a mask instead of a secret.

    Examples
    --------
    >>> from firstlight.runs.values import encode, secrets
    >>> list(secrets(encode([{"url": "x", "password": "abc"}]), "data"))
    ["data[0]['password']"]
    """
    within = (f":{MASK}@", f"={MASK}")  # a URL, or another text
    texts = ((place, part) for place, part in _parts(encoded, where) if isinstance(part, str))
    return (place for place, part in texts if part == MASK or any(m in part for m in within))


def _parts(encoded: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield an encoded value and all parts of it, each with its place."""
    yield where, encoded
    inner: list[tuple[str, Any]] = []
    if isinstance(encoded, list):
        inner = [(f"[{index}]", item) for index, item in enumerate(encoded)]
    elif isinstance(encoded, dict):
        kind = kind_of(encoded)
        inside = encoded.get(kind)
        if kind == "dict":
            inner = [(f"[{name!r}]", item) for name, item in inside]
        elif kind == "namespace":
            inner = [(f".{name}", item) for name, item in inside.items()]
        elif kind in CALLS:
            inner = [(f".{name}", item) for name, item in encoded["arguments"].items()]
            inner.append(("", encoded["unnamed"]))
        else:
            inner = [("", inside)]
    for place, item in inner:
        yield from _parts(item, where + place)


def plainly(encoded: Any) -> Any:
    """Return an encoded value as ``config.json`` shows it: tuples as lists, objects by class.

    Examples
    --------
    >>> from firstlight.runs.values import encode, plainly
    >>> plainly(encode({"hidden": (64, 32), "lr": 0.1}))
    {'hidden': [64, 32], 'lr': 0.1}
    """
    if isinstance(encoded, list):
        return [plainly(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    kind = kind_of(encoded)
    inside = encoded.get(kind)
    if kind == "array" and "shape" in encoded:
        return f"ndarray {encoded['dtype']} {tuple(encoded['shape'])}"
    if kind in ("tuple", "set", "frozenset", "array"):
        return plainly(inside)
    if kind == "dict":
        return {str(plainly(name)): plainly(value) for name, value in inside}
    if kind == "namespace":
        return {name: plainly(value) for name, value in inside.items()}
    if kind in CALLS:  # as the command line writes it
        inside = inside if kind == "object" else str(plainly(inside))
        arguments = {n: plainly(v) for n, v in encoded["arguments"].items()}
        if encoded["unnamed"]:
            arguments["*"] = [plainly(v) for v in encoded["unnamed"]]
        return {"class_path": inside.replace(":", "."), "init_args": arguments}
    return inside


def kind_of(encoded: dict[str, Any]) -> str:
    """Return the key that says what an encoded value is, in any order of keys."""
    first = next(iter(encoded), "")
    return next((kind for kind in (*CALLS, "array") if kind in encoded), first)
