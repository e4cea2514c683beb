"""What is kept of the arguments of a constructor."""

import argparse
import functools
import inspect
from dataclasses import dataclass

import numpy as np
import pytest

from firstlight.support.construction import LARGE, Construction, Described


class Answering:
    """Has an answer, or an error, for every name."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def test_arguments_of_any_kind_are_kept():
    values = (np.float32, np.ndarray, memoryview, Answering(), np.ones(3), memoryview(b"x"), None)
    for value, kept in zip(values, Construction(values).args, strict=True):
        assert kept is value


@pytest.mark.parametrize("make", [np.zeros, bytearray])
def test_large_arrays_are_described(make):
    value = make(LARGE + 1)
    value = value if isinstance(value, np.ndarray) else memoryview(value)
    (kept,) = Construction((value,)).args
    assert isinstance(kept, Described)
    assert str(LARGE + 1) in kept


@dataclass
class Inner:
    sizes: list[int]


@dataclass(frozen=True)
class Settings:
    width: int
    inner: Inner


def test_settings_are_kept_as_they_were_at_the_call():
    settings, args = Settings(6, Inner([1])), argparse.Namespace(hidden=3, sizes=[1])
    (kept,) = Construction((settings,)).args
    kept_args = Construction((), {"args": args}).kwargs["args"]
    object.__setattr__(settings, "width", 11)
    settings.inner.sizes.append(2)
    args.hidden, args.sizes[0] = 9, 4
    assert kept == Settings(6, Inner([1]))
    assert kept_args == argparse.Namespace(hidden=3, sizes=[1])


def wrapped(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class Plain:
    def __init__(self, a, b=2, *, c=None, d="x"): ...


class Open:
    def __init__(self, a, /, b=2, *rest, c, **others): ...


class Wrapped:
    __init__ = wrapped(Plain.__init__)


CALLS = [
    *[
        (kind, args, kwargs)
        for kind in (Plain, Wrapped)
        for args, kwargs in [
            ((1,), {}),
            ((1, 3), {"d": 4}),
            ((), {"b": 1, "a": 2}),
            ((), {}),
            ((1, 2, 3), {}),
            ((1,), {"a": 1}),
            ((1,), {"e": 1}),
        ]
    ],
    *[
        (Open, args, kwargs)
        for args, kwargs in [
            ((1,), {"c": 3}),
            ((1, 2, 3, 4), {"c": 5}),
            ((1,), {"a": 6, "c": 7, "e": 8}),
            ((1,), {}),
            ((), {"a": 1, "c": 2}),
        ]
    ],
]


@pytest.mark.parametrize(("kind", "args", "kwargs"), CALLS)
def test_arguments_have_the_names_that_python_gives_them(kind, args, kwargs):
    try:
        bound = inspect.signature(kind.__init__).bind(None, *args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError, match="was not created by"):
            Construction(args, kwargs).by_name(kind)
        return
    bound.apply_defaults()
    named, unnamed = Construction(args, kwargs).by_name(kind)
    rest, others = bound.arguments.get("rest", ()), bound.arguments.get("others", {})
    names = ["a", "b", "c", "d"] if kind is not Open else ["c"] if rest else ["b", "c"]
    assert named == {**{name: bound.arguments[name] for name in names}, **others}
    assert [*named] == [*names, *others]
    assert unnamed == [
        bound.arguments[n] for n in bound.arguments if n in "ab" and n not in names
    ] + [*rest]
