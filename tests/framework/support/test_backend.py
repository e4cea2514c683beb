"""Devices by name, and arrays on their way to one and back."""

import numpy as np
import pytest

from firstlight.support import backend


def test_to_host_keeps_numpy_arrays():
    array = np.ones(3)
    assert backend.to_host(array) is array
    assert backend.to_device(array, "cpu") is array


@pytest.mark.parametrize("name", ["cuda:x", "cuda:", "cpu:1", "", "tpu"])
def test_devices_by_other_names(name):
    with pytest.raises(ValueError, match='device: expected "cpu", "cuda", "cuda:N" or "auto"'):
        backend.resolve_device(name)
