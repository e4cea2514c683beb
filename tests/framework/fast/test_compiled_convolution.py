"""Compiled convolutions: the same results as six loops, from any memory and on any threads."""

import importlib

import numpy as np
import pytest
import reference
from random_convolutions import as_reference, configuration
from threadpoolctl import threadpool_limits

from firstlight import fast
from firstlight.fast import compiled
from firstlight.fast.blocked import convolution, depthwise, patches

pytest.importorskip("numba", reason="the extra `fast` is not installed")


@pytest.fixture(autouse=True)
def twins(monkeypatch):
    """Switch the twins on, as they are for a user who has installed the extra."""
    monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    compiled._twin.cache_clear()
    yield
    compiled._twin.cache_clear()


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


CONVOLUTION = (
    *(convolution.correlate, convolution.weight_gradient, convolution.input_gradient),
    *(depthwise.correlate, depthwise.weight_gradient),
)


@pytest.mark.parametrize("pieces", ["whole", "in pieces, two threads"])
@pytest.mark.parametrize("seed", range(60))
def test_convolutions_are_those_of_six_loops(monkeypatch, pieces, seed):
    x = np.zeros(1, "float32")
    assert all(compiled.fastest(function, x) is not function for function in CONVOLUTION)
    module = importlib.import_module("firstlight.fast.compiled.convolution")
    if pieces != "whole":
        frame = importlib.import_module("firstlight.fast.compiled.frame")
        monkeypatch.setattr(patches, "FEW", 0)
        monkeypatch.setattr(frame, "FRAME_BYTES", 600)
        monkeypatch.setattr(module, "LARGE", 0)
        monkeypatch.setattr(module, "LONG_SUM", 1)
    module._plan.cache_clear()
    module._gradient_plan.cache_clear()
    x, w, bias, window, groups, rng = configuration(seed)
    x, w, bias = (a.astype("float32") for a in (x, w, bias))
    options = as_reference(window, groups)
    with threadpool_limits(2, user_api="blas"):
        y = fast.conv2d(x, w, bias, window, groups)
        dy = rng.standard_normal(y.shape).astype("float32")
        found = (
            fast.conv2d(x, w, None, window, groups),
            fast.conv2d_dx(dy, w, window, x.shape[1:3], groups),
            fast.conv2d_dw(x, dy, window, groups),
        )
    exact = [a.astype(float) for a in (x, w, dy)]
    right = reference.conv2d_backward(*exact, **options)
    right = (reference.conv2d(*exact[:2], np.zeros(len(w)), **options), *right)
    np.testing.assert_allclose(y, right[0] + bias, atol=2e-5)
    for found_one, right_one in zip(found, right, strict=True):
        assert found_one.dtype == "float32"
        np.testing.assert_allclose(found_one, right_one, atol=2e-5, rtol=2e-6)
    module._plan.cache_clear()
    module._gradient_plan.cache_clear()


@pytest.mark.parametrize("out", [1, 8, 10, 16, 24, 40])  # channels, 16 and 8 at a time
@pytest.mark.parametrize("layout", ["C", "read-only", "broadcast", "backwards", "channels first"])
def test_convolutions_take_any_memory(layout, out):
    window = fast.Window((3, 2), (1, 2), (1, 1), (1, 0), (0, 1))
    x, w, bias = random(3, 9, 7, 5), random(out, 3, 2, 5), random(out)
    dy = random(3, 8, 4, out)
    if layout == "read-only":
        x.flags.writeable = dy.flags.writeable = False
    elif layout == "broadcast":
        x, dy = np.broadcast_to(x[:, :1], x.shape), np.broadcast_to(dy[:, :1], dy.shape)
    elif layout == "backwards":
        x, dy = x[:, ::-1], dy[::-1]
    elif layout == "channels first":
        x, dy = (
            np.ascontiguousarray(a.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1) for a in (x, dy)
        )
    found = (
        fast.conv2d(x, w, bias, window),
        fast.conv2d_dx(dy, w, window, (9, 7)),
        fast.conv2d_dw(x, dy, window),
    )
    x, w, bias, dy = (a.astype(float) for a in (x, w, bias, dy))
    right = (
        fast.conv2d(x, w, bias, window),
        fast.conv2d_dx(dy, w, window, (9, 7)),
        fast.conv2d_dw(x, dy, window),
    )
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=2e-6)


@pytest.mark.parametrize("frame_bytes", [600, 2**18])
@pytest.mark.parametrize(("samples", "pixels"), [(1, 9), (4, 7), (5, 3), (7, 2)])
def test_nothing_is_written_beside_y(monkeypatch, frame_bytes, samples, pixels):
    frame = importlib.import_module("firstlight.fast.compiled.frame")
    plan = importlib.import_module("firstlight.fast.compiled.convolution")._plan
    monkeypatch.setattr(frame, "FRAME_BYTES", frame_bytes)
    plan.cache_clear()
    around = np.full((samples + 4, pixels, pixels, 16), 7, "float32")
    y, x, w = around[2:-2], random(samples, pixels, pixels, 3), random(27, 16)
    axes = fast.Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)).axes((pixels, pixels))
    compiled.fastest(convolution.correlate, x, w)(x, w, *axes, y)
    assert (around[:2] == 7).all()
    assert (around[-2:] == 7).all()
    assert (y != 7).all()
    plan.cache_clear()


def test_nan_stays_in_its_windows():
    window = fast.Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    x, w = random(2, 6, 6, 3), random(4, 3, 3, 3)
    x[0, 0, 0, 0] = np.nan
    y = fast.conv2d(x, w, None, window)
    assert np.isnan(y).all(axis=-1).sum() == np.isnan(y).any(axis=-1).sum() == 4


def test_sums_of_convolutions_are_the_same_for_any_number_of_threads():
    window = fast.Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    x, dy = random(2, 40, 14, 14, 16)
    found = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(fast.conv2d_dw(x, dy, window).tobytes())
    assert found[0] == found[1] == found[2]


def test_a_convolution_of_no_samples():
    window = fast.Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    x, w = random(0, 6, 6, 2), random(3, 3, 3, 2)
    y = fast.conv2d(x, w, random(3), window)
    assert y.shape == (0, 6, 6, 3)
    assert fast.conv2d_dx(y, w, window, (6, 6)).shape == x.shape
    assert not fast.conv2d_dw(x, y, window).any()
