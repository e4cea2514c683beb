import numpy as np
import pytest

from firstlight import nn

EXTREMES = [-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4]
ACTIVATIONS = {
    "ReLU": nn.ReLU,
    "LeakyReLU": nn.LeakyReLU,
    "ELU": nn.ELU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "SiLU": nn.SiLU,
    "Softplus": nn.Softplus,
    "GELU": nn.GELU,
    "GELU tanh": lambda: nn.GELU("tanh"),
}
#          limit of y for x -> -1e4, y at 0, limit for x -> 1e4, and the slopes there
LIMITS = {
    "ReLU": ((0, 0, 1e4), (0, 0, 1)),
    "LeakyReLU": ((-100, 0, 1e4), (0.01, 0.01, 1)),
    "ELU": ((-1, 0, 1e4), (0, 1, 1)),
    "Sigmoid": ((0, 0.5, 1), (0, 0.25, 0)),
    "Tanh": ((-1, 0, 1), (0, 1, 0)),
    "SiLU": ((0, 0, 1e4), (0, 0.5, 1)),
    "Softplus": ((0, np.log(2), 1e4), (0, 0.5, 1)),
    "GELU": ((0, 0, 1e4), (0, 0.5, 1)),
    "GELU tanh": ((0, 0, 1e4), (0, 0.5, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits_and_value_at_zero(name, dtype):
    layer, dy = ACTIVATIONS[name](), np.array([-2.0, 3.0, 0.5], dtype)
    y = layer(np.array([-1e4, 0, 1e4], dtype))
    dx = layer.backward(dy)
    values, slopes = LIMITS[name]
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_allclose(y, values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dx, dy * np.array(slopes), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extremes_give_finite_numbers(name, dtype):
    layer = ACTIVATIONS[name]()
    y = layer(np.array(EXTREMES, dtype))
    dx = layer.backward(np.array(EXTREMES, dtype))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("shape", [(1,), (0, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_any_shape(name, shape):
    layer = ACTIVATIONS[name]()
    assert layer(np.ones(shape)).shape == shape
    assert layer.backward(np.ones(shape)).shape == shape


@pytest.mark.parametrize("layer", [nn.Softmax(), nn.Softmax(dim=0), nn.Softmax(dim=1)])
def test_softmax_is_a_distribution(layer):
    x = 30 * np.random.default_rng(0).standard_normal((4, 5, 6))
    y = layer(x)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=layer.dim), 1)
    np.testing.assert_allclose(np.log(y), nn.LogSoftmax(layer.dim)(x), atol=1e-8)
    np.testing.assert_allclose(layer(x + 1000), y, rtol=1e-9)


def test_softmax_of_masked_scores():
    x = np.array([[0.0, -np.inf, 0.0]])
    layer = nn.Softmax()
    np.testing.assert_array_equal(layer(x), [[0.5, 0, 0.5]])
    np.testing.assert_allclose(layer.backward(np.array([[1.0, 5.0, 3.0]])), [[-0.5, 0, 0.5]])


@pytest.mark.parametrize("layer", [nn.Softmax(), nn.LogSoftmax()])
def test_softmax_of_huge_scores(layer):
    x = np.array(EXTREMES, "float32")
    y = layer(x)
    assert np.isfinite(y).all()
    assert np.isfinite(layer.backward(x)).all()


def test_unknown_approximation():
    with pytest.raises(ValueError, match='GELU: expected approximate "none" or "tanh", got 3'):
        nn.GELU(3)


def test_gelu_forms_are_close():
    x = np.linspace(-6, 6, 1001)
    assert 1e-5 < np.abs(nn.GELU()(x) - nn.GELU("tanh")(x)).max() < 5e-4


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.ELU(), "ELU(alpha=1.0)"),
        (nn.Softplus(2), "Softplus(beta=2.0, threshold=20.0)"),
        (nn.GELU(), "GELU(approximate='none')"),
        (nn.Softmax(dim=1), "Softmax(dim=1)"),
    ],
)
def test_repr_shows_the_arguments(layer, text):
    assert repr(layer) == text
