"""Every layer on the stand-in for a GPU's arrays, with our kernels, emulated."""

import numpy as np
import pytest
from campaigns import slow_but
from device_comparisons import compare_devices
from layer_table import CASES
from standin import installed, kernels

from firstlight.fast.cuda import kernel
from firstlight.support import backend

compiles = pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")


@pytest.fixture(params=slow_but(["float32", "float64"], "float32"))
def dtype(request):
    return request.param


@compiles
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_with_our_kernels(case, dtype, monkeypatch):
    with installed(monkeypatch) as counts:
        compare_devices(case, dtype)
        assert counts.launches


def test_a_compiler_that_fails_is_told(monkeypatch):
    with installed(monkeypatch, compiled=False):
        one = backend.to_device(np.zeros(1, "float32"), "cuda:0")
        with pytest.warns(RuntimeWarning, match="kernels cannot be compiled"):
            kernel.usable(one)
