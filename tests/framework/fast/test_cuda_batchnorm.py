"""BatchNorm's kernels against its lesson: several chunks of rows and tiles of channels."""

import copy

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import forms
from firstlight.support.backend import to_device, to_host

pytestmark = pytest.mark.gpu


def batch(rows, channels, dtype, offset=0.0):
    """Return a layer, x and dy."""
    rng = np.random.default_rng(rows)
    layer = nn.BatchNorm1d(channels).to(dtype=dtype)
    layer.weight.data[...], layer.bias.data[...] = rng.standard_normal((2, channels))
    x, dy = rng.standard_normal((2, rows, channels))
    return layer, (x + offset).astype(dtype), dy.astype(dtype)


def run(layer, x, dy):
    """Return y, dx, dw, db and the running statistics."""
    layer.zero_grad()
    y, dx = layer(x), layer.backward(dy)
    arrays = [y, dx, layer.weight.grad, layer.bias.grad]
    return [to_host(a).copy() for a in [*arrays, layer.running_mean.data, layer.running_var.data]]


def compare(layer, x, dy, tolerance):
    exact = copy.deepcopy(layer).to(dtype="float64")
    with forms.only():
        right = run(exact, x.astype("float64"), dy.astype("float64"))
    layer.to(device="cuda:0")
    arrays = [to_device(a, "cuda:0") for a in (x, dy)]
    found = run(layer, *arrays)
    for one, other in zip(found, right, strict=True):
        assert one.dtype == x.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * abs(other).max())


@pytest.mark.parametrize("channels", [1, 31, 32, 33])
@pytest.mark.parametrize("rows", [3, 255, 256, 257, 3000])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_it_computes_the_lesson(rows, channels, dtype, tolerance):
    compare(*batch(rows, channels, dtype), tolerance)


def test_a_large_mean_does_not_cancel():
    compare(*batch(600, 3, "float32", offset=1000.0), 2e-4)


def test_statistics_of_evaluation_are_constants():
    layer, x, dy = batch(300, 5, "float64")
    layer.running_mean.data[...], layer.running_var.data[...] = 0.5, 2.0
    layer.eval(keep_backward=True)
    compare(layer, x, dy, 1e-12)
    _, dx, *_ = run(layer, to_device(x, "cuda:0"), to_device(dy, "cuda:0"))
    layer(to_device(x, "cuda:0"))
    layer.running_var.data *= 4
    np.testing.assert_array_equal(to_host(layer.backward(to_device(dy, "cuda:0"))), dx)


def test_three_launches_forward_and_four_backward(counts):
    layer, x, dy = batch(300, 5, "float32")
    layer.to(device="cuda:0")
    x, dy = to_device(x, "cuda:0"), to_device(dy, "cuda:0")
    before = counts["launches"]
    layer(x)
    assert counts["launches"] == before + 3
    layer.backward(dy)
    assert counts["launches"] == before + 3 + 4


def test_statistics_that_a_subclass_tracks_are_its_own():
    class Frozen(nn.BatchNorm1d):
        def track(self, mean, var, n):
            pass

    layer = Frozen(2).to(device="cuda:0")
    layer(to_device(np.float32([[1, 2], [3, 5]]), "cuda:0"))
    assert to_host(layer.running_mean.data).tolist() == [0, 0]
