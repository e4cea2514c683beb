"""RNN, LSTM and GRU by kernels: their lessons' numbers, few launches, and trainings as graphs."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import DataLoader, Trainer, models, nn
from firstlight.fast.cuda import time_steps
from firstlight.support import forms
from firstlight.support.backend import to_device, to_host

pytestmark = pytest.mark.gpu
KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
SIZES = {  # samples, steps, inputs, hidden, layers
    "one": (1, 1, 1, 1, 1),
    "odd": (5, 9, 3, 7, 2),
    "more than a block": (13, 3, 4, 33, 1),
}


def weighted(layer):
    """Return a layer with larger weights, so that gates are far from a half."""
    rng = np.random.default_rng(1)
    for parameter in layer.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape)
    return layer


def put(value, device, dtype):
    if isinstance(value, tuple):
        return tuple(put(part, device, dtype) for part in value)
    return to_device(value.astype(dtype), device)


def results(layer, device, dtype, x, state, dy, dlast):
    layer.to(device=device, dtype=dtype)
    layer.zero_grad()
    # Neither x nor dy is contiguous.
    x, dy = (put(z.swapaxes(0, 1), device, dtype).swapaxes(0, 1) for z in (x, dy))
    y = layer(x, put(state, device, dtype))
    dx = layer.backward(dy, put(dlast, device, dtype))
    parts = [y, dx]
    for part in (layer.state, layer.dstate):
        parts += part if isinstance(part, tuple) else [part]
    parts += [p.grad for p in layer.parameters()]
    return [np.array(to_host(part)) for part in parts]


def compare(layer, shape, state_shape, parts, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    dy = rng.standard_normal((*shape[:-1], state_shape[-1]))
    state, dlast = (rng.standard_normal((parts, *state_shape)) for _ in range(2))
    given = [tuple(one) if parts > 1 else one[0] for one in (state, dlast)]
    with forms.only():
        right = results(layer, "cpu", "float64", x, given[0], dy, given[1])
    found = results(layer, "cuda:0", dtype, x, given[0], dy, given[1])
    tolerance = 3e-5 if dtype == "float32" else 1e-11
    for one, other in zip(found, right, strict=True):
        assert one.dtype == dtype
        size = max(1, np.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_lesson(kind, size, bias, dtype):
    n, t, inputs, hidden, layers = SIZES[size]
    layer = weighted(KINDS[kind](inputs, hidden, layers, bias=bias))
    compare(layer, (n, t, inputs), (layers, n, hidden), layer.parts, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_its_lesson(kind, dtype):
    layer = weighted(CELLS[kind](3, 7))
    compare(layer, (5, 3), (5, 7), layer.parts, dtype)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_bad_numbers_spread_as_in_the_lesson(kind, bad):
    layer = weighted(KINDS[kind](3, 5))
    x = np.ones((2, 6, 3))
    x[0, 2, 1] = bad
    found = []
    for device, only in (("cpu", forms.only), ("cuda:0", forms.only)):
        layer.to(device=device, dtype="float64")
        allowed = () if device == "cpu" else [type(f.instance) for f in forms.registered()]
        with only(*allowed), np.errstate(all="ignore"):
            y = layer(to_device(x, device))
            found.append([to_host(y), to_host(layer.backward(to_device(np.ones(y.shape), device)))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(np.isfinite(one), np.isfinite(other))
        np.testing.assert_allclose(one, other, rtol=1e-11)


def test_a_cell_with_its_own_step_keeps_it(monkeypatch):
    class LeakyCell(nn.RNNCell):
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

    monkeypatch.setattr(time_steps, "launch", lambda *_: pytest.fail("a kernel ran"))
    compare(weighted(Leaky(3, 4)), (2, 5, 3), (1, 2, 4), 1, "float64")
    compare(weighted(LeakyCell(3, 4)), (2, 3), (2, 4), 1, "float64")


@pytest.mark.parametrize("kind", KINDS)
def test_a_time_step_is_a_product_and_a_kernel(kind, monkeypatch):
    counts = {"matmul": 0, "launch": 0}

    def counted(name):
        original = getattr(time_steps, name)

        def call(*arguments, **options):
            counts[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(time_steps, name, call)

    counted("matmul")
    counted("launch")
    layer = KINDS[kind](3, 5, 2).to(device="cuda:0")
    y = layer(to_device(np.ones((2, 11, 3), "float32"), "cuda:0"))
    assert counts == {"matmul": 22, "launch": 22}
    layer.backward(y)
    assert counts == {"matmul": 44, "launch": 44}


@pytest.mark.parametrize("precision", ["32", "16"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_captured_training_has_the_bits_of_an_uncaptured_one(kind, precision):
    rng, states = np.random.default_rng(0), []
    data = rng.standard_normal((14, 5, 3), "float32"), rng.integers(0, 4, 14)
    for capture in (True, False):
        fl.seed_everything(3)
        module = models.RNN((5, 3), 4, kind=kind, hidden=6, num_layers=2)
        trainer = Trainer(
            max_epochs=2,
            device="cuda",
            precision=precision,
            capture=capture,
            default_callbacks=False,
            runs_dir=None,
        )
        trainer.fit(module, DataLoader(data, batch_size=4))
        assert bool(trainer.loop.step.graphs) == capture
        states.append(module.state_dict())
    for key, array in states[0].items():
        assert np.isfinite(array).all()
        np.testing.assert_array_equal(array, states[1][key], err_msg=key)
