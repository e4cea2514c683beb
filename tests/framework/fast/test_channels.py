import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from firstlight.fast.blocked.channels import channel_dots, channel_map, channel_moments

SHAPES = [(5, 3), (3, 4, 2), (2, 3, 4, 2), (70000, 3), (64, 24, 24, 16), (1, 2, 200, 1000)]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture(params=[1, 2], autouse=True)
def _threads(request):
    with threadpool_limits(request.param, user_api="blas"):
        yield


def channels(*arrays):
    return [array.astype("float64").reshape(-1, array.shape[-1]) for array in arrays]


@pytest.mark.parametrize("shape", SHAPES)
def test_moments(rng, shape):
    x = (3 + 2 * rng.standard_normal(shape)).astype("float32")
    mean, var = channel_moments(x)
    (rows,) = channels(x)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(var, rows.var(axis=0), rtol=1e-5)
    assert mean.dtype == var.dtype == "float32"


def test_variance_of_a_small_spread_around_a_large_mean(rng):
    x = (1e4 + rng.standard_normal((64, 28, 28, 8))).astype("float32")
    _, var = channel_moments(x)
    np.testing.assert_allclose(var, channels(x)[0].var(axis=0), rtol=1e-4)


def test_variance_of_blocks_with_means_of_their_own():
    x = np.arange(1_000_000.0).reshape(-1, 2)  # sorted: all of the variance is between the blocks
    mean, var = channel_moments(x)
    np.testing.assert_allclose(mean, [499_999, 500_000], rtol=1e-12)
    np.testing.assert_allclose(var, (500_000**2 - 1) / 3, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_dots(rng, shape):
    x, dy = rng.standard_normal((2, *shape)).astype("float32")
    mean = rng.standard_normal(shape[-1]).astype("float32")
    total, dot = channel_dots(dy, x, mean)
    rows, dy_rows = channels(x, dy)
    error = {"rtol": 1e-5, "atol": 1e-6 * len(rows)}
    np.testing.assert_allclose(total, dy_rows.sum(axis=0), **error)
    np.testing.assert_allclose(dot, (dy_rows * (rows - mean)).sum(axis=0), **error)


@pytest.mark.parametrize("shape", SHAPES)
def test_map(rng, shape):
    x, y = rng.standard_normal((2, *shape)).astype("float32")
    a, b, c = rng.standard_normal((3, shape[-1])).astype("float32")
    np.testing.assert_allclose(channel_map(c, (x, a)), x * a + c, rtol=1e-5, atol=1e-6)
    both = channel_map(c, (x, a), (y, b))
    np.testing.assert_allclose(both, x * a + y * b + c, rtol=1e-5, atol=1e-5)
    assert both.dtype == "float32"


def test_results_do_not_depend_on_the_threads_that_take_part(rng):
    x, dy = rng.standard_normal((2, 64, 24, 24, 16)).astype("float32")
    results = []
    for threads in (1, 2, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            mean, var = channel_moments(x)
            results.append([mean, var, *channel_dots(dy, x, mean)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_strided_arrays(rng):
    x = rng.standard_normal((3, 4, 5, 2))
    strided = np.asfortranarray(x)
    shift, scale = rng.standard_normal((2, 2))
    np.testing.assert_array_equal(channel_moments(strided), channel_moments(x))
    np.testing.assert_array_equal(
        channel_map(shift, (strided, scale)), channel_map(shift, (x, scale))
    )
