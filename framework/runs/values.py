"""Values as JSON: exactly, to create an object again, and plainly, to be read in ``config.json``.

JSON's own values stand for themselves, lists included. Anything else is a dict with one key that
says what it is::

    {"tuple": [1, 2]}  {"dict": [["a", 1]]}  {"array": [0.5, 0.5], "dtype": "float32"}
    {"namespace": {"hidden": 16}}            # of argparse
    {"reference": "package.module:Class"}    # a class or function
    {"object": "package.module:Class", "arguments": {"hidden": 16}, "unnamed": []}
    {"unkept": "<_io.TextIOWrapper name='x.txt'>"}

There is no pickle: only these are created again, by calls of classes that the caller has found.
"""

from __future__ import annotations

import argparse
import inspect
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.runs.masking import MASK, is_secret
from firstlight.support.construction import NAMESPACES, Described
from firstlight.support.printable import shown

MOST = 1000  # items of a list, dict or array
DEEP = 20
TEXT = 100_000  # characters
COLLECTIONS = (list, tuple, set, frozenset, dict)


class UnkeptError(ValueError):
    """A value was not kept, so that an object cannot be created again."""


def encode(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON, from which `decode` creates it again."""
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, Described):
        return {"unkept": str(value)}
    if type(value) is str:
        return value if len(value) <= TEXT else unkept(value)
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return encode(value.item(), depth)
    if depth > DEEP or (isinstance(value, COLLECTIONS) and len(value) > MOST):
        return unkept(value)

    def inner(items):
        return [encode(item, depth + 1) for item in items]

    if type(value) is list:
        return inner(value)
    if type(value) in (tuple, set, frozenset):
        return {type(value).__name__: inner(value)}
    if type(value) is dict:
        pairs = ((n, MASK if is_secret(n) else v) for n, v in value.items())
        return {"dict": [inner(pair) for pair in pairs]}
    if type(value) in NAMESPACES:
        return {"namespace": {n: encode(v, depth + 1) for n, v in vars(value).items()}}
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if isinstance(value, np.dtype):
        return {"dtype_of": value.name}
    if type(value) is np.ndarray and value.size <= MOST and value.dtype.kind in "biuf":
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, np.ufunc):
        return {"reference": f"numpy:{value.__name__}"}
    if isinstance(value, type) or inspect.isroutine(value):
        name = reference(value)
        return unkept(value) if "<" in name else {"reference": name}
    if isinstance(value, Module):
        try:
            created = value._construction.by_name(type(value))
        except (TypeError, ValueError, AttributeError):  # __init__ was replaced
            return unkept(value, reference(type(value)))
        return encode_object(value, *created, depth=depth)
    if is_dataclass(value):
        given = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        return encode_object(value, given, [], depth=depth)
    return unkept(value)


def encode_object(
    value: object, named: dict[str, Any], unnamed: list[Any], *, depth: int = 0
) -> dict[str, Any]:
    """Return an object as JSON: its class, and the arguments that it was created with."""
    name = reference(type(value))
    if "<locals>" in name:
        return unkept(value, f"{name}, a class that a function makes")
    return {
        "object": name,
        "arguments": {n: encode(v, depth + 1) for n, v in named.items()},
        "unnamed": [encode(v, depth + 1) for v in unnamed],
    }


def reference(value: Any) -> str:
    """Return ``"package.module:Class"`` of a class or function."""
    return f"{getattr(value, '__module__', '<unknown>')}:{getattr(value, '__qualname__', value)}"


def unkept(value: Any, text: str | None = None) -> dict[str, str]:
    """Return the mark of a value that is not kept, with a short text about it."""
    return {"unkept": text or short(value)}


def short(value: Any) -> str:
    """Return one short line about a value that JSON does not have; the same in each process."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array_interface__"):
        return f"{type(value).__name__} {value.dtype} {value.shape}"
    if isinstance(value, type) or inspect.isroutine(value):
        return reference(value)
    if isinstance(value, (str, *COLLECTIONS)) and len(value) > MOST:
        return f"{type(value).__name__} of {len(value):,} items"
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", shown(value))


def is_unkept(encoded: Any) -> bool:
    """Return whether an encoded value, or a part of it, was not kept."""
    if isinstance(encoded, dict):
        return "unkept" in encoded or any(map(is_unkept, encoded.values()))
    return isinstance(encoded, list) and any(map(is_unkept, encoded))


def secrets(encoded: Any, where: str) -> Iterator[str]:
    """Yield the places in an encoded value that have a mask instead of a secret.

    Examples
    --------
    >>> from firstlight.runs.values import encode, secrets
    >>> list(secrets(encode([{"url": "x", "password": "abc"}]), "data"))
    ["data[0]['password']"]
    """
    inner: list[tuple[str, Any]] = []
    if encoded == MASK:
        yield where
    elif isinstance(encoded, list):
        inner = [(f"[{index}]", item) for index, item in enumerate(encoded)]
    elif isinstance(encoded, dict):
        kind = _kind(encoded)
        inside = encoded.get(kind)
        if kind == "dict":
            inner = [(f"[{name!r}]", item) for name, item in inside]
        elif kind == "namespace":
            inner = [(f".{name}", item) for name, item in inside.items()]
        elif kind == "object":
            inner = [(f".{name}", item) for name, item in encoded["arguments"].items()]
            inner.append(("", encoded["unnamed"]))
        else:
            inner = [("", inside)]
    for place, item in inner:
        yield from secrets(item, where + place)


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
    kind = _kind(encoded)
    inside = encoded.get(kind)
    if kind in ("tuple", "set", "frozenset", "array"):
        return plainly(inside)
    if kind == "dict":
        return {str(plainly(name)): plainly(value) for name, value in inside}
    if kind == "namespace":
        return {name: plainly(value) for name, value in inside.items()}
    if kind == "object":  # as the command line writes it
        arguments = {n: plainly(v) for n, v in encoded["arguments"].items()}
        if encoded["unnamed"]:
            arguments["*"] = [plainly(v) for v in encoded["unnamed"]]
        return {"class_path": inside.replace(":", "."), "init_args": arguments}
    return inside


def decode(encoded: Any, find: Callable[[str], Any], where: str) -> Any:
    """Create an encoded value again.

    Parameters
    ----------
    encoded : JSON value
    find : callable
        Returns the class or function of a reference.
    where : str
        Names the value in errors, e.g. "model.hidden".

    Raises
    ------
    UnkeptError
        It, or a part of it, was not kept.
    """
    if isinstance(encoded, list):
        return [decode(item, find, f"{where}[{i}]") for i, item in enumerate(encoded)]
    if not isinstance(encoded, dict):
        return encoded
    kind = _kind(encoded)
    inside = encoded.get(kind)
    if kind == "unkept":
        raise UnkeptError(f"{where} was {inside}, which a run cannot keep")
    if kind in SIMPLE:
        return SIMPLE[kind](decode(inside, find, where))
    if kind == "dict":
        return {decode(n, find, where): decode(v, find, f"{where}[{n!r}]") for n, v in inside}
    if kind == "namespace":
        made = {n: decode(v, find, f"{where}.{n}") for n, v in inside.items()}
        return argparse.Namespace(**made)
    if kind == "array":
        return np.array(inside, encoded["dtype"])
    if kind == "reference":
        return find(inside)
    if kind == "object":
        named = {n: decode(v, find, f"{where}.{n}") for n, v in encoded["arguments"].items()}
        unnamed = [decode(v, find, f"{where}[{i}]") for i, v in enumerate(encoded["unnamed"])]
        kind = find(inside)
        if not (isinstance(kind, type) and (issubclass(kind, Module) or is_dataclass(kind))):
            raise ValueError(f"{where}: expected a class of a model or a dataclass, got {inside}")
        return kind(*unnamed, **named)
    raise ValueError(f"{where}: unknown kind of value {kind!r}")


def _kind(encoded):
    """Return the key that says what an encoded value is, in any order of keys."""
    return next((kind for kind in ("object", "array") if kind in encoded), next(iter(encoded), ""))


SIMPLE: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "float": float,
    "path": Path,
    "dtype_of": np.dtype,
}
