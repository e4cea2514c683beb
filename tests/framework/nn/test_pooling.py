"""The lessons of pooling against loops over windows and pixels."""

import numpy as np
import pytest
import reference
from random_pooling import draw

from firstlight import nn
from firstlight.support import forms


@pytest.fixture(autouse=True)
def _lessons():
    with forms.only():
        yield


@pytest.mark.parametrize("seed", range(16))
def test_max_pooling_is_that_of_loops(seed):
    rng, window, image = draw(seed)
    x = rng.integers(0, 4, (3, *image, 2)).astype("float64")  # with many equal values
    expected, dy, dx = reference.max_pool2d(
        *(x, window.kernel, window.stride, window.before, window.dilation),
        *(rng.standard_normal, window.ceil_mode),
    )
    layer = nn.MaxPool2d(*window[:2], window.before, window.dilation, ceil_mode=window.ceil_mode)
    np.testing.assert_array_equal(layer(x), expected)
    np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(0, 32, 2))
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_mean_pooling_is_that_of_loops(seed, count_include_pad):
    rng, window, image = draw(seed)
    x = rng.standard_normal((3, *image, 2))
    expected, dy, dx = reference.avg_pool2d(
        *(x, window.kernel, window.stride, window.before, rng.standard_normal),
        *(window.ceil_mode, count_include_pad),
    )
    layer = nn.AvgPool2d(*window[:2], window.before, window.ceil_mode, count_include_pad)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-12, atol=1e-12)


def test_of_pixels_that_are_all_minus_infinity_the_first_in_the_image_is_the_largest():
    layer = nn.MaxPool2d(3, (3, 2), 1)
    y = layer(np.full((1, 4, 5, 1), -np.inf))
    assert np.isneginf(y).all()
    dx = layer.backward(np.ones_like(y))
    assert np.argwhere(dx[0, :, :, 0]).tolist() == [[0, 0], [0, 1], [0, 3], [2, 0], [2, 1], [2, 3]]


def test_an_infinite_gradient_goes_to_one_pixel():
    layer = nn.MaxPool2d(2)
    y = layer(np.arange(16.0).reshape(1, 4, 4, 1))
    dx = layer.backward(np.full_like(y, -np.inf))
    assert np.isneginf(dx).sum() == 4
    assert np.isfinite(dx).sum() == 12


def test_of_several_nans_the_last_is_the_largest():
    x = np.zeros((1, 2, 2, 1))
    x[0, 0, 1] = x[0, 1, 0] = np.nan
    layer = nn.MaxPool2d(2)
    assert np.isnan(layer(x)).all()
    assert layer.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [0, 0, 1, 0]


def test_means_count_the_zeros_around():
    layer = nn.AvgPool2d(2, 1, 1)
    np.testing.assert_array_equal(layer(np.full((1, 1, 1, 1), 8.0)).ravel(), [2, 2, 2, 2])
    assert layer.backward(np.ones((1, 2, 2, 1))).item() == 1.0
