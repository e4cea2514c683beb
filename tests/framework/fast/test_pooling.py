import numpy as np
import pytest
import reference
from fresh import spoil_fresh_memory
from random_pooling import draw
from threadpoolctl import threadpool_limits

from firstlight import nn
from firstlight.fast.blocked import parallel, pooling
from firstlight.nn.window import Window


@pytest.fixture(params=["whole", "sample by sample, two threads"], autouse=True)
def _blocks(request, monkeypatch):
    if request.param != "whole":
        monkeypatch.setattr(parallel, "BLOCK_BYTES", 1)
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.parametrize("seed", range(16))
def test_max_pooling_is_that_of_loops(seed, monkeypatch):
    spoil_fresh_memory(monkeypatch)
    rng, window, image = draw(seed)
    x = rng.integers(0, 4, (3, *image, 2)).astype("float64")  # with many equal values
    expected, dy, dx = reference.max_pool2d(
        *(x, window.kernel, window.stride, window.before, window.dilation),
        *(rng.standard_normal, window.ceil_mode),
    )
    y, place = pooling.max_pool2d(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(
        pooling.max_pool2d_dx(dy, place, window, x.shape[1:3]), dx, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(0, 32, 2))
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_mean_pooling_is_that_of_loops(seed, count_include_pad, monkeypatch):
    spoil_fresh_memory(monkeypatch)
    rng, window, image = draw(seed)
    x = rng.standard_normal((3, *image, 2))
    expected, dy, dx = reference.avg_pool2d(
        *(x, window.kernel, window.stride, window.before, rng.standard_normal),
        *(window.ceil_mode, count_include_pad),
    )
    y = pooling.avg_pool2d(x, window, count_include_pad)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    found = pooling.avg_pool2d_dx(dy, window, x.shape[1:3], count_include_pad)
    np.testing.assert_allclose(found, dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [3, 6, 9, 24])
def test_dx_is_written_up_to_the_edge(size, monkeypatch):
    """Windows side by side from the zeros before the image to the zeros behind it."""
    spoil_fresh_memory(monkeypatch)
    x = np.random.default_rng(0).standard_normal((2, size, size, 3)).astype("float32")
    for layer in (nn.MaxPool2d(3, padding=1), nn.AvgPool2d(3, padding=1)):
        dx = layer.backward(np.ones_like(layer(x)))
        assert np.isfinite(dx).all()
        assert not dx[:, -1].any(), "no window sees the last row"


def test_an_infinite_gradient_goes_to_one_pixel():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    window = Window((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))
    y, place = pooling.max_pool2d(x, window)
    dx = pooling.max_pool2d_dx(np.full_like(y, -np.inf), place, window, (4, 4))
    assert np.isneginf(dx).sum() == 4
    assert np.isfinite(dx).sum() == 12


def test_places_of_large_windows_are_counted_right():
    x = np.zeros((1, 20, 20, 1), "float32")
    x[0, 19, 18, 0] = 1.0
    window = Window((20, 20), (20, 20), (1, 1), (0, 0), (0, 0))
    y, place = pooling.max_pool2d(x, window)
    assert place.item() == 19 * 20 + 18
    assert pooling.max_pool2d_dx(y, place, window, (20, 20)).sum() == 1


def test_means_count_the_zeros_around():
    window = Window((2, 2), (1, 1), (1, 1), (1, 1), (1, 1))
    x = np.full((1, 1, 1, 1), 8.0)
    np.testing.assert_array_equal(pooling.avg_pool2d(x, window).ravel(), [2, 2, 2, 2])
    assert pooling.avg_pool2d_dx(np.ones((1, 2, 2, 1)), window, (1, 1)).item() == 1.0
