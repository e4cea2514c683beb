"""Compiled convolutions: the same results as six loops, from any memory and on any threads."""

import copy
import importlib

import numpy as np
import pytest
from random_convolutions import convolution, passes, transposed
from threadpoolctl import threadpool_limits

from firstlight import nn
from firstlight.fast.blocked import patches
from firstlight.fast.compiled.forms import CompiledConv2d, CompiledConvTranspose2d
from firstlight.fast.loops import SixLoops
from firstlight.nn.window import Window

pytest.importorskip("numba", reason="needs numba")


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def in_float64(layer, x, dy):
    return copy.deepcopy(layer).to(dtype="float64"), x.astype(float), dy.astype(float)


def all_close(found, right):
    for found_one, right_one in zip(found, right, strict=True):
        assert found_one.dtype == "float32"
        np.testing.assert_allclose(found_one, right_one, atol=2e-5, rtol=2e-6)


@pytest.fixture(params=["whole", "in pieces, two threads"])
def _pieces(request, monkeypatch):
    module = importlib.import_module("firstlight.fast.compiled.convolution")
    if request.param != "whole":
        frame = importlib.import_module("firstlight.fast.compiled.frame")
        monkeypatch.setattr(patches, "FEW", 0)
        monkeypatch.setattr(frame, "FRAME_BYTES", 600)
        monkeypatch.setattr(module, "LARGE", 0)
        monkeypatch.setattr(module, "LONG_SUM", 1)
    module._plan.cache_clear()
    module._gradient_plan.cache_clear()
    with threadpool_limits(2, user_api="blas"):
        yield
    module._plan.cache_clear()
    module._gradient_plan.cache_clear()


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(20))
def test_compiled_convolutions_compute_the_six_loops(seed):
    layer, x, dy = convolution(seed, "float32")
    right = passes(SixLoops, *in_float64(layer, x, dy))
    all_close(passes(CompiledConv2d, layer, x, dy), right)
    other = transposed(layer, x.shape[1:3])
    there, back, dw = passes(CompiledConvTranspose2d, other, dy, x)
    without_bias = right[0] - layer.bias.data
    all_close([back, there, dw], [without_bias, *right[1:3]])
    layer.bias = None
    all_close([CompiledConv2d().forward(layer, x)], [without_bias])


@pytest.mark.parametrize("out", [1, 8, 10, 16, 24, 40])  # channels, 16 and 8 at a time
@pytest.mark.parametrize("layout", ["C", "read-only", "broadcast", "backwards", "channels first"])
def test_convolutions_take_any_memory(layout, out):
    layer = nn.Conv2d(5, out, (3, 2))
    layer.window = Window((3, 2), (1, 2), (1, 1), (1, 0), (0, 1))
    x, dy = random(3, 9, 7, 5), random(3, 8, 4, out)
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
    all_close(passes(CompiledConv2d, layer, x, dy), passes(None, *in_float64(layer, x, dy)))


@pytest.mark.parametrize("frame_bytes", [600, 2**18])
@pytest.mark.parametrize(("samples", "pixels"), [(1, 9), (4, 7), (5, 3), (7, 2)])
def test_nothing_is_written_beside_y(monkeypatch, frame_bytes, samples, pixels):
    frame = importlib.import_module("firstlight.fast.compiled.frame")
    module = importlib.import_module("firstlight.fast.compiled.convolution")
    monkeypatch.setattr(frame, "FRAME_BYTES", frame_bytes)
    module._plan.cache_clear()
    around = np.full((samples + 4, pixels, pixels, 16), 7, "float32")
    y, x, w = around[2:-2], random(samples, pixels, pixels, 3), random(27, 16)
    axes = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)).axes((pixels, pixels))
    module.correlate(x, w, *axes, y)
    assert (around[:2] == 7).all()
    assert (around[-2:] == 7).all()
    assert (y != 7).all()
    module._plan.cache_clear()


def same(channels, out):
    return nn.Conv2d(channels, out, 3, padding="same")


def test_nan_stays_in_its_windows():
    x = random(2, 6, 6, 3)
    x[0, 0, 0, 0] = np.nan
    y = CompiledConv2d().forward(same(3, 4), x)
    assert np.isnan(y).all(axis=-1).sum() == np.isnan(y).any(axis=-1).sum() == 4


def test_sums_of_convolutions_are_the_same_for_any_number_of_threads():
    x, dy = random(2, 40, 14, 14, 16)
    layer, found = same(16, 16), []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(passes(CompiledConv2d, layer, x, dy)[2].tobytes())
    assert found[0] == found[1] == found[2]


def test_a_convolution_of_no_samples():
    x, dy = random(0, 6, 6, 2), random(0, 6, 6, 3)
    y, dx, dw, _ = passes(CompiledConv2d, same(2, 3), x, dy)
    assert (y.shape, dx.shape) == (dy.shape, x.shape)
    assert not dw.any()
