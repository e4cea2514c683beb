import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from firstlight import nn
from firstlight.fast.blocked.elementwise import blockwise

LAYERS = [
    nn.Sigmoid(),
    nn.Tanh(),
    nn.SiLU(),
    nn.Softplus(),
    nn.Softplus(3, 2),
    nn.ELU(),
    nn.ELU(0.4),
    nn.ELU(-0.5),
    nn.LeakyReLU(),
    nn.LeakyReLU(1.5),
    nn.LeakyReLU(-0.2),
]


@pytest.fixture(params=[1, 2], autouse=True)
def _threads(request):
    with threadpool_limits(request.param, user_api="blas"):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (3, 4, 5), (700, 1001)])
def test_every_element_is_computed_once(rng, shape):
    x, y = rng.standard_normal((2, *shape)).astype("float32")

    def add(out, x, y):
        np.add(x, y, out=out)

    for left, right in [(x, y), (np.asfortranarray(x), y), (x, np.asfortranarray(y))]:
        result = blockwise(add, left, right)
        np.testing.assert_array_equal(result, x + y)
        assert result.dtype == "float32"
        assert result.flags.c_contiguous


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_large_arrays_are_their_rows(rng, layer):
    x, dy = (3 * rng.standard_normal((2, 501, 1003))).astype("float32")  # several uneven blocks
    y = layer(x)
    dx = layer.backward(dy)
    for row in (0, 130, 131, 250, 261, 500):
        np.testing.assert_allclose(layer(x[row]), y[row], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(layer.backward(dy[row]), dx[row], rtol=1e-6, atol=1e-7)
