import functools
import math

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.nn import init

SHAPE = (200, 300)


def generator():
    return np.random.default_rng(2)


@pytest.mark.parametrize(
    ("function", "std"),
    [
        (init.uniform, 1 / math.sqrt(12)),
        (init.normal, 1),
        (functools.partial(init.normal, std=0.02), 0.02),
        (init.xavier_uniform, math.sqrt(2 / 500)),
        (init.xavier_normal, math.sqrt(2 / 500)),
        (functools.partial(init.xavier_normal, gain=3.0), 3 * math.sqrt(2 / 500)),
        (init.kaiming_uniform, math.sqrt(2 / 300)),
        (init.kaiming_normal, math.sqrt(2 / 300)),
        (functools.partial(init.kaiming_normal, mode="fan_out"), math.sqrt(2 / 200)),
        (functools.partial(init.kaiming_normal, nonlinearity="tanh"), 5 / 3 / math.sqrt(300)),
        (functools.partial(init.kaiming_uniform, a=1.0), math.sqrt(1 / 300)),
        (init.trunc_normal, 0.8796),  # of a standard normal cut at ±2
    ],
)
def test_spread_dtype_and_generator(function, std):
    weight = function(SHAPE, rng=generator())
    assert weight.dtype == "float32"
    assert weight.shape == SHAPE
    assert abs(weight.std() / std - 1) < 0.01
    np.testing.assert_array_equal(function(SHAPE, rng=generator()), weight)
    fl.seed_everything(9)
    first, second = function(SHAPE), function(SHAPE)
    assert (first != second).any()
    fl.seed_everything(9)
    np.testing.assert_array_equal(function(SHAPE), first)


@pytest.mark.parametrize(
    ("function", "bound"),
    [
        (init.xavier_uniform, math.sqrt(6 / 500)),
        (init.kaiming_uniform, math.sqrt(6 / 300)),
        (init.trunc_normal, 2),
    ],
)
def test_bounds(function, bound):
    largest = np.abs(function(SHAPE, rng=generator())).max()
    assert 0.99 * bound < largest <= bound * (1 + 1e-6)


def test_constants():
    assert (init.zeros((2, 3)) == 0).all()
    assert (init.ones(3) == 1).all()
    weight = init.constant((2, 3), 0.5, rng=generator())
    assert (weight == 0.5).all()
    assert weight.dtype == init.zeros(1).dtype == init.ones(1).dtype == "float32"


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (6, 2, 2, 3), (20, 3, 3, 2)])
def test_orthogonal(shape):
    weight = init.orthogonal(shape, 2.0, rng=generator()).reshape(shape[0], -1)
    rows, columns = weight.shape
    product = weight @ weight.T if rows <= columns else weight.T @ weight
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_have_no_preferred_sign():
    signs = [
        np.sign(init.orthogonal((2, 2), rng=np.random.default_rng(i))[0, 0]) for i in range(99)
    ]
    assert abs(np.mean(signs)) < 0.3


def test_convolution_weights_count_the_kernel():
    assert init.fans((64, 3, 5, 32)) == (3 * 5 * 32, 3 * 5 * 64)
    weight = init.kaiming_normal((64, 3, 5, 32), rng=generator())
    assert abs(weight.std() / math.sqrt(2 / 480) - 1) < 0.01


def test_trunc_normal_limits_are_values():
    weight = init.trunc_normal(SHAPE, mean=1.0, std=0.5, a=0.75, b=1.75, rng=generator())
    assert weight.min() >= 0.75
    assert weight.max() <= 1.75
    with pytest.raises(ValueError, match="trunc_normal: expected limits around the mean 0.0, got"):
        init.trunc_normal(SHAPE, a=5.0, b=6.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("linear", 1), ("sigmoid", 1), ("tanh", 5 / 3), ("relu", math.sqrt(2)), ("selu", 0.75)],
)
def test_gain(name, value):
    assert init.gain(name) == pytest.approx(value)


def test_gain_of_leaky_relu():
    assert init.gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert init.gain("leaky_relu", 2.0) == pytest.approx(math.sqrt(2 / 5))


def test_errors():
    with pytest.raises(ValueError, match="gain: expected a nonlinearity of .*, got 'gelu'"):
        init.gain("gelu")
    with pytest.raises(ValueError, match='init: expected mode "fan_in" or "fan_out", got "?\'?fan'):
        init.kaiming_normal((2, 3), mode="fan")
    for function in (init.xavier_normal, init.kaiming_uniform, init.orthogonal):
        with pytest.raises(ValueError, match=r"two axes or more, .* got shape \(3,\); use zeros"):
            function((3,))


@pytest.mark.parametrize("name", ["kaiming_normal", "xavier_uniform", "orthogonal", "zeros"])
def test_linear_takes_any_of_them(name):
    function = getattr(init, name)
    layer = nn.Linear(3, 4, init_weight=function, rng=generator())
    np.testing.assert_array_equal(layer.weight.data, function((4, 3), rng=generator()))
