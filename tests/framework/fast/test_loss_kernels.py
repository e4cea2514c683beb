"""Kernels of CrossEntropyLoss against its lesson."""

from contextlib import nullcontext

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import forms
from firstlight.support.backend import to_device

pytestmark = pytest.mark.gpu
RNG = np.random.default_rng(7)


def there(x):
    return to_device(x, "cuda:0")


def both(layer, x, t, dloss=1.0):
    """Return loss, dx, metrics and denominators, from the lesson and from the kernels."""
    found = []
    for put in (np.asarray, there):
        layer.to(device="cpu" if put is np.asarray else "cuda:0")
        with forms.only() if put is np.asarray else nullcontext():
            loss = layer(put(x), put(t))
            dx = layer.backward(put(dloss) if isinstance(dloss, np.ndarray) else dloss)
            counts = layer.denominators(put(x), put(t))
            found.append([loss, dx, layer.metrics(put(x), put(t))["acc"], *counts.values()])
    return found


LOSSES = {
    "plain": {},
    "weights": {"weight": [0.0, *[0.5, 2.0] * 64]},
    "smoothing": {"label_smoothing": 0.3},
    "both": {"weight": [0.0, *[0.5, 2.0] * 64], "label_smoothing": 0.3},
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [31, 33, 129, 1024, 1025])  # a row in a warp, in a block
def test_cross_entropy_is_its_lesson(classes, dtype, reduction, name):
    options = dict(LOSSES[name])
    if "weight" in options:
        options["weight"] = np.resize(options["weight"], classes)
    layer = nn.CrossEntropyLoss(**options, reduction=reduction).to(dtype=dtype)
    x = (RNG.standard_normal((2, 9, classes)) * 100).astype(dtype)
    t = RNG.integers(1, classes, (2, 9))
    t[0, 1::3] = layer.ignore_index
    if name != "plain":
        x[..., 0] = -np.inf if "weight" in options else x[..., 0]  # its class counts nowhere
    dloss = RNG.standard_normal((2, 9)).astype(dtype) if reduction == "none" else 1.5
    expected, found = both(layer, x, t, dloss)
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
        else:
            assert np.isfinite(other).all()
            np.testing.assert_allclose(
                one.get(), other, *([2e-5] * 2 if dtype == "float32" else [1e-10] * 2)
            )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_rows_that_do_not_count_are_taken_for_zeros(bad, smoothing):
    layer = nn.CrossEntropyLoss(label_smoothing=smoothing).to(dtype="float64")
    x, t = RNG.standard_normal((4, 40)), np.array([3, -100, -100, 39])
    x[1], x[2, ::3] = bad, bad
    for one, other in zip(*both(layer, x, t)[::-1], strict=True):
        assert np.isfinite(other).all()
        np.testing.assert_allclose(one.get(), other, 1e-11, 1e-11)


def test_a_loss_without_rows_that_count_is_zero():
    x, t = RNG.standard_normal((4, 40)), np.full(4, -100)
    for one, other in zip(*both(nn.CrossEntropyLoss(), x, t)[::-1], strict=True):
        np.testing.assert_array_equal(one.get(), other)
        assert not np.any(other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [3, 2000])
def test_the_right_class_is_the_first_of_the_largest_and_nan_is_larger(classes, dtype):
    x = RNG.integers(0, 3, (200, classes)).astype(dtype)  # many are equal
    x[::5] = np.where(RNG.random(x[::5].shape) < 2 / classes, np.nan, x[::5])
    x[1::5] = np.where(RNG.random(x[1::5].shape) < 2 / classes, np.inf, -np.inf)
    largest = x.argmax(axis=1)
    t = np.where(RNG.random(200) < 0.6, largest, (largest + RNG.integers(-1, 2, 200)) % classes)
    t[::7] = -100
    layer = nn.CrossEntropyLoss()
    expected = layer.metrics(x, t)["acc"]
    assert 0.5 < expected < 1
    found = layer.metrics(there(x), there(t.astype("int32")))["acc"]
    assert float(found) == expected
