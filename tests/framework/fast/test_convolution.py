"""The fast convolutions against six loops, over random shapes."""

import numpy as np
import pytest
import reference
from random_convolutions import as_reference, configuration
from threadpoolctl import threadpool_limits

from firstlight import fast
from firstlight.fast.blocked import patches, scratch


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


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("seed", range(60))
def test_forward_and_gradients_are_those_of_six_loops(seed):
    x, w, bias, window, groups, rng = configuration(seed)
    options = as_reference(window, groups)
    y = fast.conv2d(x, w, bias, window, groups)
    close(y, reference.conv2d(x, w, bias, **options))
    close(fast.conv2d(x, w, None, window, groups), y - bias)
    dy = rng.standard_normal(y.shape)
    dx, dw = reference.conv2d_backward(x, w, dy, **options)
    close(fast.conv2d_dx(dy, w, window, x.shape[1:3], groups), dx)
    close(fast.conv2d_dw(x, dy, window, groups), dw)


def plain(kernel=3):
    return fast.Window((kernel, kernel), (1, 1), (1, 1), (1, 1), (1, 1))


def test_sums_are_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 40, 14, 14, 16), dtype="float32")
    found = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(fast.conv2d_dw(x, dy, plain()).tobytes())
    assert found[0] == found[1] == found[2]


def test_the_matrix_of_patches_stays_small():
    x = np.zeros((64, 32, 32, 32), "float32")
    rows, columns = plain().axes((32, 32))
    sizes = [matrix.nbytes for *_, matrix in patches.patches(x, rows, columns, 64)]
    assert max(sizes) <= 1.1 * patches.PATCH_BYTES
    assert sum(sizes) == 9 * x.nbytes


def test_an_empty_batch():
    x, w = np.zeros((0, 6, 6, 2)), np.ones((3, 3, 3, 2))
    y = fast.conv2d(x, w, np.ones(3), plain())
    assert y.shape == (0, 6, 6, 3)
    assert fast.conv2d_dx(y, w, plain(), (6, 6)).shape == x.shape
    assert not fast.conv2d_dw(x, y, plain()).any()


def test_scratch_keeps_one_array_for_a_name_and_thread():
    like = np.zeros(1, "float32")
    first = scratch.scratch("test", (4, 5), like)
    assert np.shares_memory(first, scratch.scratch("test", (20,), like))
    assert not np.shares_memory(first, scratch.scratch("other", (20,), like))
    assert not np.shares_memory(first, scratch.scratch("test", (20,), like.astype("float64")))
    assert scratch.scratch("test", (50,), like).size == 50
