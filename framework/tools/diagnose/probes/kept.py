"""Values that a script keeps by a name: the best weights, and tokens with their targets."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array

DEPTH, LARGEST = 4, 100_000  # of nested values; entries of an array of tokens
LABELLED = re.compile(r"[\w.]+\[:, ?[\w.\[\]]+\]$")  # p[:, y]


def is_kept(name: str, value: Any) -> bool:
    """Return whether an assignment is of interest: to ``best...``, of tokens, or to p[:, y]."""
    if "best" in name.lower():
        return "[:" not in name and "[..." not in name
    if isinstance(value, np.ndarray):
        return (
            value.dtype.kind in "iu"
            and 0 < value.ndim < 3
            and value.size <= LARGEST
            or (value.ndim == 2 and LABELLED.match(name) is not None)
        )
    return isinstance(value, list) and bool(value) and type(value[0]) is int


def arrays_in(value: Any, depth: int = DEPTH) -> Iterator[Array]:
    """Yield the arrays in nested values, parameters, modules and objects, themselves."""
    if isinstance(value, Module):
        value = value.parameters()
    if isinstance(value, Parameter):
        value = value.data
    if isinstance(value, np.ndarray):
        yield value
    elif depth:
        if isinstance(value, dict):
            value = list(value.values())
        elif not isinstance(value, list | tuple):
            value = list(getattr(value, "__dict__", {}).values())
        for part in value[:1000]:
            yield from arrays_in(part, depth - 1)
