import runpy
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from firstlight import ops
from firstlight.ops import parallel

reference = runpy.run_path(str(Path(__file__).parents[2] / "reference.py"))


@pytest.fixture(params=["whole", "sample by sample, two threads"], autouse=True)
def _blocks(request, monkeypatch):
    if request.param != "whole":
        monkeypatch.setattr(parallel, "BLOCK_BYTES", 1)
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.parametrize("seed", range(20))
def test_max_pooling_is_that_of_loops(seed):
    rng = np.random.default_rng(seed)
    kernel = tuple(map(int, rng.integers(1, 4, 2)))
    stride = kernel if seed % 3 == 0 else tuple(map(int, rng.integers(1, 4, 2)))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    dilation = tuple(map(int, rng.integers(1, 3, 2)))
    window = ops.Window(kernel, stride, dilation, padding, padding)
    image = [max(1, window.least(axis)) + int(rng.integers(0, 5)) for axis in (0, 1)]
    x = rng.integers(0, 4, (3, *image, 2)).astype("float64")  # with many equal values
    expected, dy, dx = reference["max_pool2d"](
        x, kernel, stride, padding, dilation, rng.standard_normal
    )
    y, place = ops.max_pool2d(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(
        ops.max_pool2d_dx(dy, place, window, x.shape[1:3]), dx, rtol=1e-12, atol=1e-12
    )


def test_places_of_large_windows_are_counted_right():
    x = np.zeros((1, 20, 20, 1), "float32")
    x[0, 19, 18, 0] = 1.0
    window = ops.Window((20, 20), (20, 20), (1, 1), (0, 0), (0, 0))
    y, place = ops.max_pool2d(x, window)
    assert place.item() == 19 * 20 + 18
    assert ops.max_pool2d_dx(y, place, window, (20, 20)).sum() == 1


def test_means_count_the_zeros_around():
    window = ops.Window((2, 2), (1, 1), (1, 1), (1, 1), (1, 1))
    x = np.full((1, 1, 1, 1), 8.0)
    np.testing.assert_array_equal(ops.avg_pool2d(x, window).ravel(), [2, 2, 2, 2])
    assert ops.avg_pool2d_dx(np.ones((1, 2, 2, 1)), window, (1, 1)).item() == 1.0
