"""``pytest -p fake_gpu.plugin``: the real CuPy over a GPU that is not there."""

import pytest

from fake_gpu import install
from fake_gpu.binding import FAULTS
from firstlight.tools.profile import speed

install()


@pytest.fixture(autouse=True)
def _small_products(monkeypatch):
    """Measure the speed of products by small ones, which a processor does soon."""
    monkeypatch.setitem(speed.SIZES, "cuda", 64)


@pytest.fixture(autouse=True)
def _no_faults():
    """Fail a test in which a function was missing, or a kernel did something wrong."""
    FAULTS.clear()
    yield
    if FAULTS:
        pytest.fail("\n".join(FAULTS))
