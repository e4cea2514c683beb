import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.support import rng as randomness


def test_dropout_drops_the_share_and_keeps_the_mean():
    layer = nn.Dropout(0.3)
    x = np.ones((400, 500), "float32")
    y = layer(x)
    assert abs((y == 0).mean() - 0.3) < 0.005
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert abs(y.mean() - 1) < 0.01
    np.testing.assert_array_equal(layer.backward(x), y)


def test_dropout_does_nothing_in_evaluation():
    layer = nn.Dropout(0.9).eval(keep_backward=True)
    before = randomness.state_dict()
    x = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(2 * x), 2 * x)
    assert randomness.state_dict() == before


def test_dropout_draws_from_the_stream_at_call_time():
    layer, x = nn.Dropout(), np.ones((20, 20))
    fl.seed_everything(5)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    fl.seed_everything(5)
    np.testing.assert_array_equal(layer(x), first)


def test_dropout_with_its_own_generator_leaves_the_stream_alone():
    before = randomness.state_dict()
    x = np.ones((20, 20))
    y = nn.Dropout(rng=np.random.default_rng(7))(x)
    np.testing.assert_array_equal(y, nn.Dropout(rng=np.random.default_rng(7))(x))
    assert randomness.state_dict() == before


def test_dropout_of_everything_and_of_nothing():
    x = np.random.default_rng(0).standard_normal((3, 4))
    assert (nn.Dropout(1.0)(x) == 0).all()
    np.testing.assert_array_equal(nn.Dropout(0.0)(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_dropout_error(p):
    with pytest.raises(ValueError, match=f"Dropout: expected a probability p from 0 to 1, got {p}"):
        nn.Dropout(p)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Flatten(), (2, 3, 4), (2, 12)),
        (nn.Flatten(), (0, 3, 4), (0, 12)),
        (nn.Flatten(), (2, 12), (2, 12)),
        (nn.Flatten(0), (2, 3, 4), (24,)),
        (nn.Flatten(2), (2, 3, 4, 5), (2, 3, 20)),
        (nn.Flatten(-2), (2, 3, 4, 5), (2, 3, 20)),
        (nn.Reshape(12), (2, 3, 4), (2, 12)),
        (nn.Reshape(4, -1), (2, 3, 4), (2, 4, 3)),
        (nn.Reshape(4, -1), (0, 3, 4), (0, 4, 3)),
        (nn.Reshape(), (5, 1), (5,)),
        (nn.Identity(), (2, 3), (2, 3)),
    ],
)
def test_reshaping_there_and_back(layer, shape, expected):
    x = np.random.default_rng(0).standard_normal(shape)
    y = layer(x)
    assert y.shape == expected
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    np.testing.assert_array_equal(layer.backward(y), x)


@pytest.mark.parametrize("layer", [nn.Flatten(), nn.Reshape(3, 4), nn.Identity()])
def test_a_skipped_gradient_passes_through(layer):
    layer(np.ones((2, 12)))
    assert layer.backward(None) is None
    with pytest.raises(RuntimeError, match="no forward left to undo"):
        layer.backward(None)


def test_reshaping_errors():
    with pytest.raises(ValueError, match=r"Flatten: expected x with an axis 1 \(start_dim\), got"):
        nn.Flatten()(np.ones(3))
    message = r"Reshape: expected samples that fit \(5, -1\), got x of shape \(2, 12\), with 12 el"
    with pytest.raises(ValueError, match=message):
        nn.Reshape(5, -1)(np.ones((2, 12)))
    with pytest.raises(ValueError, match=r"Reshape: expected samples that fit \(5,\)"):
        nn.Reshape(5)(np.ones((2, 12)))
    for shape in [(-1, -1), (3, -2)]:
        with pytest.raises(
            ValueError, match="Reshape: expected sizes of 0 or more and at most one"
        ):
            nn.Reshape(*shape)


def test_repr():
    assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25)"
    assert repr(nn.Flatten()) == "Flatten(start_dim=1)"
    assert repr(nn.Reshape(8, 8, -1)) == "Reshape(8, 8, -1)"
