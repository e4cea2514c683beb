"""Values of a script's variables: numbers and arrays, also nested; what changed, what is kept."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import flattened, is_float

LARGEST = 2_000_000  # entries of an array that is copied


def is_float_value(value: object) -> bool:
    """Return whether a value is a floating-point number, or an array that is not too large."""
    return isinstance(value, (float, np.floating)) or (
        isinstance(value, np.ndarray) and is_float(value) and value.size <= LARGEST
    )


def is_number(value: object) -> bool:
    """Return whether a value is a number or a floating-point array."""
    return isinstance(value, (int, np.number)) or is_float_value(value)


def is_small(value: Any) -> bool:
    """Return whether a value consists of numbers and arrays only, in nested lists and tuples."""
    return value is not None and all(is_number(leaf) for leaf in flattened(value))


def owners(parameters: Iterable[Parameter], array: Any) -> list[tuple[Parameter, bool]]:
    """Return the parameters whose data or gradient an array is, and whether it is the gradient."""
    return [
        (p, is_grad)
        for p in parameters
        for is_grad, own in ((False, p.data), (True, p.grad))
        if array is own
    ]


def changed_pairs(
    old: Any, before: Any, new: Any, *, unchanged: bool = False
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield ``(old, copy of old, new)`` of the arrays and numbers in nested values that changed."""
    olds, copies, news = flattened(old), flattened(before), flattened(new)
    if not len(olds) == len(copies) == len(news):
        return  # e.g. a list that grew
    for one, was, now in zip(olds, copies, news, strict=True):
        if (
            is_float_value(one)
            and np.shape(was) == np.shape(now)
            and (unchanged or not np.array_equal(was, now))
        ):
            yield one, was, now


def substituted(value: Any, old: Any, new: Any) -> Any:
    """Return nested lists, tuples and dicts in which one object is replaced by another."""
    if value is old or old is new:
        return new if value is old else value
    if isinstance(value, dict):
        return {name: substituted(part, old, new) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(substituted(part, old, new) for part in value)
    return value


def path_to(value: Any, thing: Any, name: str, depth: int = 3) -> str:
    """Return how a script writes a part of a value, "" if it is no part of it."""
    if value is thing:
        return name
    form, parts = "{}[{!r}]", ()
    if isinstance(value, Module):
        form, parts = "{}.{}", value.named_parameters()
    elif isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value[:100])
    elif getattr(type(value), "__module__", "") == "__main__" and not isinstance(value, type):
        form, parts = "{}.{}", getattr(value, "__dict__", {}).items()
    inner = (
        path_to(part, thing, form.format(name, key), depth - 1) for key, part in parts if depth
    )
    return next(filter(None, inner), "")


DEPTH, TOKENS = 4, 100_000  # of nested values; entries of an array of tokens
LABELLED = re.compile(r"[\w.]+\[:, ?[\w.\[\]]+\]$")  # p[:, y]


def is_kept(name: str, value: Any) -> bool:
    """Return whether an assignment is of interest: to ``best...``, of tokens, or to p[:, y]."""
    if "best" in name.lower():
        return "[:" not in name and "[..." not in name
    if isinstance(value, np.ndarray):
        return (
            value.dtype.kind in "iu"
            and 0 < value.ndim < 3
            and value.size <= TOKENS
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
