"""Optimizers on a GPU step as the lessons do with NumPy, by kernels or not."""

import numpy as np
import pytest
from update_rules import FORMED, RULES, make_parameters

from firstlight import Parameter, optim
from firstlight.fast.cuda import optimizers
from firstlight.fast.cuda.optimizers import (
    CudaAdagrad,
    CudaAdam,
    CudaAdamW,
    CudaNorm,
    CudaRMSprop,
    CudaSGD,
)
from firstlight.support import forms
from firstlight.support.backend import to_device, to_host

pytestmark = pytest.mark.gpu
KERNELS = (CudaSGD, CudaRMSprop, CudaAdagrad, CudaAdam, CudaAdamW, CudaNorm)
NAMES = {optim.AdamW: "adam"}  # of kernels that are not called like their optimizer


@pytest.fixture(params=RULES.values(), ids=RULES)
def make(request):
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def results(make, dtype, device, *used):
    """Return values, state and the gradient's norm after three steps with these forms alone."""

    def put(array):
        return to_device(array.astype(dtype), device)

    params = [Parameter(put(p.data)) for p in make_parameters()]
    optimizer, rng = make(params), np.random.default_rng(2)
    with forms.only(*used):
        for _ in range(3):
            for p in params:
                p.grad[...] = put(rng.standard_normal(p.shape))
            norm = optimizer.grad_norm()
            optimizer.step()
    state = optimizer.state_dict()["arrays"].values()
    return [np.array(to_host(array)) for array in (*(p.data for p in params), *state, norm)]


@pytest.mark.parametrize("used", [KERNELS, ()], ids=["kernels", "lessons"])
def test_a_step_is_its_lesson(make, dtype, used, monkeypatch):
    right = results(make, "float64", "cpu")
    launch, launched = optimizers.launch, set()

    def noted(file, function, *args, **options):
        launched.add(function)
        launch(file, function, *args, **options)

    monkeypatch.setattr(optimizers, "launch", noted)
    found = results(make, dtype, "cuda:0", *used)
    kind = type(make(make_parameters()))
    rule = NAMES.get(kind, kind.__name__.lower())
    kernels = {rule, "square_sums"} if make in FORMED.values() else {"square_sums"}
    assert launched == (kernels if used else set())
    for one, other in zip(found, right, strict=True):
        tolerance = 3e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
