"""What is kept of the arguments of a constructor."""

import argparse
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
