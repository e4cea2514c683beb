"""What is kept of the arguments of a constructor."""

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
