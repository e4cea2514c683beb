"""Create the values again that a record has as JSON; see `firstlight.runs.values`."""

from __future__ import annotations

import argparse
import base64
import datetime
import functools
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.runs.values import CALLS, DATES, UnkeptError, is_named_tuple, kind_of


def decode(
    encoded: Any,
    find: Callable[[str], Any],
    where: str,
    made: dict[int, Any] | None = None,
) -> Any:
    """Create an encoded value again.

    Parameters
    ----------
    encoded : JSON value
    find : callable
        Returns the class or function of a reference.
    where : str
        Names the value in errors, e.g. "model.hidden".
    made : dict, optional
        The modules that are made already, by number.

    Raises
    ------
    UnkeptError
        It, or a part of it, was not kept.
    ValueError
        It is not what `encode` returns.
    """
    made = {} if made is None else made

    def inner(item, place=""):
        return decode(item, find, where + place, made)

    if isinstance(encoded, list):
        return [inner(item, f"[{i}]") for i, item in enumerate(encoded)]
    if not isinstance(encoded, dict):
        return encoded
    kind = kind_of(encoded)
    inside = encoded.get(kind)
    if kind == "unkept":
        raise UnkeptError(f"{where} was {inside}, which a run cannot keep")
    if kind in SIMPLE:
        return SIMPLE[kind](inner(inside))
    if kind == "dict":
        return {inner(n): inner(v, f"[{n!r}]") for n, v in inside}
    if kind == "namespace":
        return argparse.Namespace(**{n: inner(v, f".{n}") for n, v in inside.items()})
    if kind == "array":
        return _array(**encoded)
    if kind == "reference":
        return find(inside)
    if kind == "same" and inside in made:
        return made[inside]
    if kind not in CALLS:
        raise ValueError(f"{where}: unknown kind of value {kind!r}")
    named = {n: inner(v, f".{n}") for n, v in encoded["arguments"].items()}
    unnamed = [inner(v, f"[{i}]") for i, v in enumerate(encoded["unnamed"])]
    if kind == "partial":
        return functools.partial(inner(inside), *unnamed, **named)
    found = find(inside)
    if not (isinstance(found, type) and _can_be_called(found)):
        raise ValueError(f"{where}: expected a class of a model or a dataclass, got {inside}")
    result = found(*unnamed, **named)
    if "number" in encoded:
        made[encoded["number"]] = result
    return result


def _can_be_called(kind):
    return issubclass(kind, Module) or is_dataclass(kind) or is_named_tuple(kind)


def _array(array, dtype, shape=None):
    if shape is None:
        return np.array(array, dtype)
    content = np.frombuffer(base64.b64decode(array), np.dtype(dtype).newbyteorder("<"))
    return content.astype(dtype).reshape(shape)


SIMPLE: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "float": float,
    "path": Path,
    "dtype_of": np.dtype,
    "bytes": base64.b64decode,
    "timedelta": lambda parts: datetime.timedelta(*parts),
    **{kind.__name__: kind.fromisoformat for kind in DATES},
}
