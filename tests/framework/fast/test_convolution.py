"""The lessons of convolution and their blocked forms against six loops, over random shapes."""

import numpy as np
import pytest
from random_convolutions import convolution, passes, transposed
from threadpoolctl import threadpool_limits

from firstlight import nn
from firstlight.fast.blocked import patches, scratch
from firstlight.fast.blocked.convolution import BlockedConv2d, BlockedConvTranspose2d
from firstlight.fast.loops import SixLoops
from firstlight.nn.window import Window
from firstlight.support import forms


def close(left, right):
    np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)


@pytest.fixture(params=["whole", "in pieces, two threads"])
def _pieces(request, monkeypatch):
    """Large and small pieces: with few bytes a matrix holds a line or two of one image."""
    if request.param == "whole":
        yield
        return
    monkeypatch.setattr(patches, "PATCH_BYTES", 600)
    monkeypatch.setattr(patches, "FEW", 0)
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.parametrize("seed", range(20))
def test_the_lesson_computes_the_six_loops(seed):
    layer, x, dy = convolution(seed)
    right = passes(SixLoops, layer, x, dy)
    for found, expected in zip(passes(None, layer, x, dy), right, strict=True):
        close(found, expected)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(20))
def test_the_blocked_form_computes_the_six_loops(seed):
    layer, x, dy = convolution(seed)
    right = passes(SixLoops, layer, x, dy)
    for found, expected in zip(passes(BlockedConv2d, layer, x, dy), right, strict=True):
        close(found, expected)
    layer.bias = None
    close(BlockedConv2d().forward(layer, x), SixLoops().forward(layer, x))


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("form", [None, BlockedConvTranspose2d])
@pytest.mark.parametrize("seed", range(20))
def test_a_transposed_convolution_is_the_backward_of_a_convolution(form, seed):
    layer, x, dy = convolution(seed)
    y, dx, dw, _ = passes(SixLoops, layer, x, dy)
    there, back, gradient = passes(form, transposed(layer, x.shape[1:3]), dy, x)
    close(there, dx)
    close(back, y - layer.bias.data)
    close(gradient, dw)


def test_six_loops_run_on_request_only():
    layer, x, dy = convolution(3)
    assert SixLoops not in {type(form.instance) for form in forms.candidates(nn.Conv2d, "forward")}
    with forms.only(SixLoops):
        y = layer(x)
        layer.needs_dx = False
        assert layer.backward(dy) is None
    assert y.tobytes() == SixLoops().forward(layer, x).tobytes()


def same(channels, out, dtype="float32"):
    return nn.Conv2d(channels, out, 3, padding=1).to(dtype=dtype)


def test_sums_are_the_same_for_any_number_of_threads():
    x, dy = np.random.default_rng(0).standard_normal((2, 40, 14, 14, 16), dtype="float32")
    layer, found = same(16, 16), []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(passes(BlockedConv2d, layer, x, dy)[2].tobytes())
    assert found[0] == found[1] == found[2]


def test_the_matrix_of_patches_stays_small():
    x = np.zeros((64, 32, 32, 32), "float32")
    rows, columns = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)).axes((32, 32))
    sizes = [matrix.nbytes for *_, matrix in patches.patches(x, rows, columns, 64)]
    assert max(sizes) <= 1.1 * patches.PATCH_BYTES
    assert sum(sizes) == 9 * x.nbytes


@pytest.mark.parametrize("form", [None, BlockedConv2d, SixLoops])
def test_an_empty_batch(form):
    x, dy = np.zeros((0, 6, 6, 2), "float32"), np.zeros((0, 6, 6, 3), "float32")
    y, dx, dw, db = passes(form, same(2, 3), x, dy)
    assert (y.shape, dx.shape) == (dy.shape, x.shape)
    assert not dw.any()
    assert not db.any()


def test_scratch_keeps_one_array_for_a_name_and_thread():
    like = np.zeros(1, "float32")
    first = scratch.scratch("test", (4, 5), like)
    assert np.shares_memory(first, scratch.scratch("test", (20,), like))
    assert not np.shares_memory(first, scratch.scratch("other", (20,), like))
    assert not np.shares_memory(first, scratch.scratch("test", (20,), like.astype("float64")))
    assert scratch.scratch("test", (50,), like).size == 50
