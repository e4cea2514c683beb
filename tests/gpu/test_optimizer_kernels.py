"""Kernels of RMSprop and Adagrad: their lessons' steps, and none where half precision overflows."""

import half_precision
import numpy as np
import pytest
from update_rules import RULES, make_parameters

import firstlight as fl
from firstlight import Parameter, optim
from firstlight.fast.cuda import optimizers
from firstlight.optim.loss_scale import LossScale
from firstlight.support.backend import to_device, to_host

pytestmark = [pytest.mark.gpu, pytest.mark.forms]
NAMES = "rmsprop", "rmsprop-full", "adagrad"


def results(name, dtype, device, scaled):
    """Return values and state after four steps, in the second of which a gradient overflows."""
    params = [Parameter(to_device(p.data.astype(dtype), device)) for p in make_parameters()]
    optimizer, rng = RULES[name](params), np.random.default_rng(2)
    if scaled:
        LossScale(optimizer)
    for step in range(4):
        params[1].requires_grad = step != 2  # frozen for a step: t differs from then on
        optimizer.lr *= 0.9
        for p in params:
            p.grad[...] = to_device(rng.standard_normal(p.shape).astype(dtype), device)
        if scaled:
            params[0].grad[0, 0] = np.inf if step == 1 else 1.0
            optimizer.loss_scale.unscale(optimizer.flat.grad)
        optimizer.step()
    arrays = [p.data for p in params] + list(optimizer.state_dict()["arrays"].values())
    return [np.array(to_host(array)) for array in arrays]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_its_lesson(name, dtype, scaled, monkeypatch):
    right = results(name, "float64", "cpu", scaled)
    launched, launch = [], optimizers.launch
    monkeypatch.setattr(
        optimizers, "launch", lambda *a, **o: (launched.append(a[1]), launch(*a, **o))
    )
    found = results(name, dtype, "cuda:0", scaled)
    assert set(launched) == {name.partition("-")[0]}
    tolerance = 3e-5 if dtype == "float32" else 1e-12
    for one, other in zip(found, right, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", [optim.RMSprop, optim.Adagrad])
def test_half_precision_needs_no_answer_of_the_host(make, monkeypatch):
    asked = []
    monkeypatch.setattr(LossScale, "is_bad", lambda self: asked.append(1))
    fl.seed_everything(1)
    _, history = half_precision.fit(half_precision.Net(lambda p: make(p, lr=1e-2)), max_epochs=2)
    assert not asked
    assert history["loss_scale"][-1] < history["loss_scale"][0], "nothing was too large"
    assert np.isfinite(history["train_loss"]).all()
