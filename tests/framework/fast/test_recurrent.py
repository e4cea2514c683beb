"""The blocked forms of recurrent layers: a cell with a step of its own keeps it."""

import numpy as np
import pytest

from firstlight import nn
from firstlight.fast.blocked.recurrent import BlockedCell, BlockedRecurrent
from firstlight.support import forms


class LeakyCell(nn.RNNCell):
    """h_t = h_{t-1} / 2 + tanh(a + b)."""

    @staticmethod
    def step(a, b, state):
        h = np.tanh(a + b)
        return (state[0] / 2 + h,), h

    @staticmethod
    def undo(dstate, kept):
        da = dstate[0] * (1 - kept**2)
        return da, da, (dstate[0] / 2,)


class Leaky(nn.RNN):
    cell = LeakyCell


@pytest.mark.parametrize("make", [LeakyCell, Leaky])
def test_a_cell_with_its_own_step_keeps_it(make):
    rng = np.random.default_rng(1)
    layer = make(3, 4)
    x = rng.standard_normal((2, 3) if make is LeakyCell else (2, 5, 3)).astype("float32")
    results = []
    for allowed in ((), (BlockedCell, BlockedRecurrent)):
        layer.zero_grad()
        with forms.only(*allowed):
            first = layer(x)
            y = layer(x, layer.state)
            dx, dstate = layer.backward(y), layer.dstate
            grads = [parameter.grad.copy() for parameter in layer.parameters()]
            layer.backward(first, dstate)
        results.append([y, dx, dstate, *grads])
    assert np.abs(results[0][0] - np.tanh(results[0][0])).max() > 0.1
    for lesson, form in zip(*results, strict=True):
        np.testing.assert_allclose(form, lesson, rtol=1e-5, atol=1e-6)
