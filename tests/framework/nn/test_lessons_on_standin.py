"""Every layer on the stand-in for a GPU's arrays, without kernels: a lesson takes any array."""

import pytest
from device_comparisons import compare_devices
from layer_table import CASES
from standin import installed


@pytest.mark.filterwarnings("ignore:firstlight's CUDA kernels cannot be compiled:RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_in_array_expressions(case, monkeypatch):
    with installed(monkeypatch, compiled=False):
        compare_devices(case, "float32")
