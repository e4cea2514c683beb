"""Compiled twins: the same results as NumPy's forms, and only where they are wanted."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from firstlight.ops import compiled, convolution
from firstlight.ops import layernorm as plain_norm
from firstlight.ops.window import Axis
from firstlight.optim import adam

numba = pytest.importorskip("numba", reason="the extra `fast` is not installed")
gelu = importlib.import_module("firstlight.ops.gelu")  # the package has a function of this name


@pytest.fixture
def twins(monkeypatch):
    """Switch the twins on, as they are for a user who has installed the extra."""
    monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    compiled._twin.cache_clear()
    yield
    compiled._twin.cache_clear()


def twin_of(function):
    found = compiled.fastest(function, np.zeros(1, "float32"))
    assert found is not function
    return found


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def test_adam_is_equal_to_the_last_bit(twins):
    group = {"betas": (0.9, 0.999), "eps": 1e-8, "lr": 1e-2}
    w, m = random(1003), random(1003)
    ours = [w, m, np.square(m), np.empty_like(w)]  # w, m, v, scratch
    theirs = [x.copy() for x in ours]
    for t in range(1, 20):
        g = random(1003) * t
        before = g.copy()
        for function, (w, m, v, step) in ((adam.descend, ours), (twin_of(adam.descend), theirs)):
            function(group, t, w, g, m, v, step)
        np.testing.assert_array_equal(g, before)
    for x, y in zip(ours[:3], theirs[:3], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("function", [gelu._exact_float32, gelu._tanh])
def test_gelu(twins, function):
    x = np.concatenate([random(5000) * 3, np.float32([-9, 0, 9, -30, 30])])
    right, slope, y, dydx = (np.empty_like(x) for _ in range(4))
    function(x, right, slope)
    twin_of(function)(x, y, dydx)
    np.testing.assert_allclose(y, right, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(dydx, slope, atol=3e-6, rtol=1e-6)
    alone = np.empty_like(x)
    twin_of(function)(x, alone, None)
    np.testing.assert_array_equal(alone, y)


def test_nan_stays_nan(twins):
    y, dydx = np.empty((2, 2), "float32")
    twin_of(gelu._exact_float32)(np.float32([np.nan, 1]), y, dydx)
    assert np.isnan(y).tolist() == np.isnan(dydx).tolist() == [True, False]


def test_exp():
    from firstlight.ops.compiled.gelu import exp

    x = np.linspace(-87, 87, 2001, dtype="float32")
    found = np.array([exp(value) for value in x])
    np.testing.assert_allclose(found, np.exp(x.astype(float)), rtol=1e-6)
    assert exp(np.float32(-100)) == 0
    assert np.isnan(exp(np.float32(np.nan)))


@pytest.mark.parametrize("shape", [(70, 24), (1, 3), (33, 128)])
def test_layer_norm_is_as_exact_as_numpys(twins, shape):
    x, dy, w = random(*shape) + 5, random(*shape)[::-1].copy(), random(shape[1])
    results = {}
    for name, dtype in (("exact", "float64"), ("plain", "float32"), ("twin", "float32")):
        there, standardise, differentiate = (
            [a.astype(dtype) for a in (x, dy, w)],
            *(plain_norm.standardise, plain_norm.differentiate),
        )
        if name == "twin":
            standardise, differentiate = twin_of(standardise), twin_of(differentiate)
        h, dx, r = np.empty_like(there[0]), np.empty_like(there[0]), np.empty((len(x), 1), dtype)
        standardise(there[0], h, r, 1e-5)
        dw, db = differentiate(there[1], h, r, there[2], dx)
        results[name] = (h, r, dx, dw, db)
    for exact, plain, twin in zip(*results.values(), strict=True):
        assert abs(twin - exact).max() <= 2 * abs(plain - exact).max() + 1e-6


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("before", [(0, 0), (2, 1)])
def test_gradient_of_a_convolution_tap_by_tap(twins, monkeypatch, stride, before):
    twin = twin_of(convolution.add_taps)
    monkeypatch.setitem(twin.__globals__, "SHARE_BYTES", 2 * 4 * 6 * 7 * 4)  # two lines at once
    dy, kernels = random(2, 5, 4, 3), random(3, 2, 3, 7)  # (N, oh, ow, O), (kh, kw, O, C)
    axes = [
        Axis(before[axis], (3, 2)[axis], stride[axis], dilation, (5, 4)[axis])
        for axis, dilation in enumerate((1, 2))
    ]
    right = np.zeros((2, 9, 7, 7), "float32")
    found = right.copy()
    convolution.add_taps(dy, kernels, *axes, right)
    twin(dy, kernels, *axes, found)
    assert right.any()
    np.testing.assert_allclose(found, right, atol=1e-5)


def test_only_float32_arrays_of_numpy_have_a_twin(twins):
    assert compiled.fastest(adam.descend, np.zeros(1)) is adam.descend
    assert compiled.fastest(adam.descend, [1.0]) is adam.descend


@pytest.mark.parametrize("setting", ["0", "1"])
def test_a_training_uses_them_unless_told_not_to(setting):
    code = (
        "import json, sys, firstlight as fl\n"
        "data = fl.datasets.load('digits')\n"
        "trainer = fl.Trainer(max_epochs=2, default_callbacks=False, runs_dir=None)\n"
        "trainer.fit(fl.models.MLP(64, 10), data)\n"
        "print(json.dumps(['numba' in sys.modules, trainer.validate(trainer.module, data)]))\n"
    )
    environment = {"FIRSTLIGHT_COMPILED": setting, "PATH": "", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    used, metrics = json.loads(done.stdout.splitlines()[-1])
    assert used is (setting == "1")
    assert metrics["val_acc"] > 0.8
