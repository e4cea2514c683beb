"""CrossEntropyLoss of class probabilities; tests/oracle compares it with PyTorch."""

import numpy as np
import pytest

from firstlight import nn


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def probabilities(rng, *shape):
    q = rng.random(shape)
    return q / q.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"reduction": "sum"}])
def test_certain_probabilities_are_class_indices(settings, rng):
    x, y = rng.standard_normal((2, 6, 4)), rng.integers(0, 4, (2, 6))
    hard, soft = nn.CrossEntropyLoss(**settings), nn.CrossEntropyLoss(**settings)
    assert soft(x, np.eye(4)[y]) == pytest.approx(hard(x, y))
    np.testing.assert_allclose(soft.backward(0.7), hard.backward(0.7))
    assert soft.metrics(x, np.eye(4)[y]) == hard.metrics(x, y)


@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 0.5, 0.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradient_along_a_random_direction(weight, smoothing, rng):
    x, q = 2 * rng.standard_normal((5, 4)), probabilities(rng, 5, 4)
    loss = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)
    direction, step = rng.standard_normal(x.shape), 1e-6
    loss(x, q)
    expected = (loss.backward() * direction).sum()
    there, back = loss(x + step * direction, q), loss(x - step * direction, q)
    assert (there - back) / (2 * step) == pytest.approx(expected, rel=1e-6)


def test_probabilities_of_any_float_keep_the_logits_dtype(rng):
    x = rng.standard_normal((3, 4), dtype="float32")
    loss = nn.CrossEntropyLoss(np.ones(4))
    assert loss(x, probabilities(rng, 3, 4)).dtype == loss.backward().dtype == "float32"


def test_ignore_index_is_for_indices_only(rng):
    x, q = rng.standard_normal((3, 4)), np.eye(4)[[0, 0, 1]]
    loss = nn.CrossEntropyLoss(ignore_index=0)
    assert loss(x, q) == nn.CrossEntropyLoss()(x, q)
    assert loss.metrics(x, q) == nn.CrossEntropyLoss().metrics(x, q)


@pytest.mark.parametrize("weight", [None, [0.0, 2.0, 3.0]])
def test_a_masked_class_without_probability_costs_nothing(weight):
    x, q = np.array([[-np.inf, 0.5, 1.0], [-np.inf, 3.0, 0.0]]), np.array([[0.0, 0.4, 0.6]] * 2)
    masked, huge = nn.CrossEntropyLoss(weight), nn.CrossEntropyLoss(weight)
    assert masked(x, q) == pytest.approx(huge(np.maximum(x, -1e3), q))
    np.testing.assert_allclose(masked.backward(), huge.backward(), atol=1e-300)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.full((4, 3), 0.5), "0 or more and 1 in sum for each row, got values from 0.5 to 0.5"),
        (
            np.array([[2.0, -1, 0]] * 4),
            "got values from -1 to 2 with sums from 1 to 1; use MSELoss",
        ),
        (np.full((4, 3), np.nan), "got values from nan"),
    ],
)
def test_rows_that_are_no_probabilities(target, message):
    with pytest.raises(ValueError, match=f"CrossEntropyLoss: expected class .*{message}"):
        nn.CrossEntropyLoss()(np.zeros((4, 3), "float32"), target)
