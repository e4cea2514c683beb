"""How a layer computes: by its lesson, and by forms of NumPy's, numba's, and kernels for a GPU."""

import numpy as np
import pytest

from firstlight.support import forms
from firstlight.support.backend import to_device, to_host


class Form:
    """Puts arrays where a form runs, and fetches them."""

    def __init__(self, name, device):
        self.name, self.device = name, device

    def there(self, x):
        return x.copy() if self.device == "cpu" else to_device(x, self.device)

    def here(self, x):
        return np.array(to_host(x))


@pytest.fixture(
    params=["lesson", "numpy", "compiled", pytest.param("kernels", marks=pytest.mark.gpu)]
)
def form(request, monkeypatch):
    name = request.param
    if name == "lesson":
        with forms.only():
            yield Form(name, "cpu")
        return
    if not forms.has_fast():
        pytest.skip("FIRSTLIGHT_FAST is 0, or framework/fast is not there")
    if name == "kernels":
        yield Form(name, "cuda:0")
        return
    if name == "compiled":
        pytest.importorskip("numba", reason="needs numba")
    monkeypatch.setattr("firstlight.fast.conditions.numba_is_enabled", lambda: name == "compiled")
    from firstlight.fast import conditions

    forms.forget_choices()
    with conditions.every_size():
        yield Form(name, "cpu")
    forms.forget_choices()
