"""The three forms in which a layer computes: NumPy's, compiled by numba, and kernels for a GPU."""

import numpy as np
import pytest
from standin import installed, kernels

from firstlight.fast import compiled
from firstlight.support.backend import to_device, to_host


class Form:
    """Puts arrays where a form runs, and fetches them."""

    def __init__(self, device):
        self.device = device

    def there(self, x):
        return x.copy() if self.device == "cpu" else to_device(x, self.device)

    def here(self, x):
        return np.array(to_host(x))


@pytest.fixture(params=["numpy", "compiled", "kernels"])
def form(request, monkeypatch):
    if request.param == "kernels":
        if kernels.compiler() is None:
            pytest.skip("needs g++ to emulate kernels")
        with installed(monkeypatch):
            yield Form("cuda:0")
        return
    if request.param == "compiled":
        pytest.importorskip("numba", reason="the extra `fast` is not installed")
        monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    compiled._twin.cache_clear()
    yield Form("cpu")
    compiled._twin.cache_clear()
