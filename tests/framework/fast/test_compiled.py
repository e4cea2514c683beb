"""Compiled forms: the same results as NumPy's forms, and only where they are wanted."""

import os
import subprocess
import sys

import numpy as np
import pytest

from firstlight import nn
from firstlight.fast import conditions
from firstlight.fast.blocked import attention_tiles
from firstlight.fast.blocked.layernorm import BlockedLayerNorm
from firstlight.fast.compiled.forms import CompiledLayerNorm
from firstlight.support import forms

numba = pytest.importorskip("numba", reason="needs numba")
compiled_attention = pytest.importorskip("firstlight.fast.compiled.attention")


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def test_nan_stays_nan():
    from firstlight.fast.compiled.gelu import exact

    y, dydx = np.empty((2, 2), "float32")
    exact(np.float32([np.nan, 1]), y, dydx)
    assert np.isnan(y).tolist() == np.isnan(dydx).tolist() == [True, False]


def test_exp():
    from firstlight.fast.compiled.gelu import exp

    x = np.linspace(-87, 87, 2001, dtype="float32")
    found = np.array([exp(value) for value in x])
    np.testing.assert_allclose(found, np.exp(x.astype(float)), rtol=1e-6)
    assert exp(np.float32(-100)) == 0
    assert np.isnan(exp(np.float32(np.nan)))


@pytest.mark.parametrize("shape", [(70, 24), (1, 3), (33, 128)])
def test_layer_norm_is_as_exact_as_numpys(shape):
    x, dy, w = random(*shape) + 5, random(*shape)[::-1].copy(), random(shape[1])
    results = {}
    for name, form, dtype in (
        ("exact", BlockedLayerNorm, "float64"),
        ("plain", BlockedLayerNorm, "float32"),
        ("twin", CompiledLayerNorm, "float32"),
    ):
        there = [a.astype(dtype) for a in (x, dy, w)]
        h, y, dx = (np.empty_like(there[0]) for _ in range(3))
        r = np.empty((len(x), 1), dtype)
        form.normalise(there[0], h, r, y, there[2], there[1][0], 1e-5)
        dw, db = form.differentiate(there[1], h, r, there[2], dx)
        results[name] = (h, r, y, dx, dw, db)
    for exact, plain, twin in zip(*results.values(), strict=True):
        assert abs(twin - exact).max() <= 2 * abs(plain - exact).max() + 1e-6


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    "shape",  # samples, heads, queries, keys, numbers a head
    [(3, 2, 9, 9, 4), (2, 2, 70, 70, 8), (2, 1, 3, 150, 5), (1, 1, 1, 1, 1)],
)
def test_attention(causal, shape):
    n, heads, queries, keys, size = shape
    q, k = random(n, queries, heads, size), random(n, keys, 2, heads, size)
    q, (k, v) = q.swapaxes(1, 2), k.transpose(2, 0, 3, 1, 4)
    dy = random(n, heads, size, queries).swapaxes(2, 3)  # by columns, as some callers may have it
    results = {}
    for name, dtype in (("exact", "float64"), ("plain", "float32"), ("twin", "float32")):
        there = [a.astype(dtype) for a in (q, k, v, dy)]
        forward, backward = attention_tiles.attend_samples, attention_tiles.attend_samples_backward
        if name == "twin":
            there = [q, k, v, dy]
            forward, backward = compiled_attention.attend, compiled_attention.attend_backward
        y, lse = np.empty(q.shape, dtype), np.empty((*q.shape[:3], 1), dtype)
        forward(*there[:3], y, lse, causal)
        gradients = [np.empty_like(a) for a in there[:3]]
        backward(there[3], *there[:3], y, lse, *gradients, causal)
        results[name] = (y, lse, *gradients)
    for exact, plain, twin in zip(*results.values(), strict=True):
        assert abs(twin - exact).max() <= 3 * abs(plain - exact).max() + 1e-6


def test_attention_with_large_scores():
    q = random(1, 1, 5, 4) * 1000
    y, lse = np.empty_like(q), np.empty((1, 1, 5, 1), "float32")
    compiled_attention.attend(q, q, q, y, lse, False)
    exact, exact_lse = np.empty(q.shape), np.empty(lse.shape)
    attention_tiles.attend_samples(*[q.astype(float)] * 3, exact, exact_lse, False)
    np.testing.assert_allclose(y, exact, rtol=1e-5)
    np.testing.assert_allclose(lse, exact_lse, rtol=1e-5)


def test_nan_stays_nan_in_attention():
    q, k = random(2, 1, 1, 3, 4)
    q[0, 0, 1, 2] = np.nan
    y, lse = np.empty_like(q), np.empty((1, 1, 3, 1), "float32")
    compiled_attention.attend(q, k, k, y, lse, True)
    assert np.isnan(y).any(axis=-1).tolist() == [[[False, True, False]]]


def test_only_large_float32_arrays_of_numpy_are_compiled(monkeypatch):
    monkeypatch.setattr("firstlight.fast.conditions.numba_is_enabled", lambda: True)
    lesson, layer = nn.GELU.forward.__wrapped__, nn.GELU()
    forms.forget_choices()
    large = np.zeros(conditions.NUMBERS, "float32")
    assert forms.choose(lesson, layer, large).name == "CompiledGELU"
    assert forms.choose(lesson, layer, large[1:]).name == "BlockedGELU"
    assert forms.choose(lesson, layer, large.astype("float64")) is None
    forms.forget_choices()


def test_a_blas_that_cannot_be_called_leaves_numpys_forms():
    code = (
        "import logging, numpy as np\n"
        "del np.linalg._umath_linalg\n"  # as if NumPy had been built otherwise
        "from firstlight import nn\n"
        "from firstlight.support import forms\n"
        "logging.basicConfig(level='INFO')\n"
        "x = np.zeros((1, 2, 4), 'float32')\n"
        "layer, found = nn.MultiHeadAttention(4, 2), {}\n"
        "for form in forms.candidates(nn.MultiHeadAttention, 'forward'):\n"
        "    found[form.name] = form.unmet(layer, x)\n"
        "assert found['CompiledAttention'].__name__ == 'compiled_products'\n"
        "assert found['BlockedAttention'] is None\n"
        "layer(x)\n"
    )
    environment = {**os.environ, "FIRSTLIGHT_COMPILED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "products are not compiled: NumPy's BLAS has no" in done.stderr


@pytest.mark.parametrize("layout", ["read-only", "broadcast", "backwards"])
def test_attention_takes_any_memory(layout):
    q = random(2, 2, 5, 4)
    if layout == "read-only":
        q.flags.writeable = False
    elif layout == "broadcast":
        q = np.broadcast_to(q[:, :, :1], q.shape)
    else:
        q = q[:, :, ::-1]
    found, right = (np.empty((2, 2, 5, 4), "float32") for _ in range(2))
    lse = np.empty((2, 2, 5, 1), "float32")
    compiled_attention.attend(q, q, q, found, lse, True)
    attention_tiles.attend_samples(q, q, q, right, lse, True)
    np.testing.assert_allclose(found, right, atol=1e-6)
