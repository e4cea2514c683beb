"""Embedding beyond the gradient table: repeated indices, padding, messages."""

from contextlib import nullcontext

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import forms


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(), (1,), (40,), (6, 7), (2, 3, 4)])
def test_rows_by_index(shape, rng):
    layer, x = nn.Embedding(9, 5), rng.integers(0, 9, shape)
    y = layer(x)
    assert (y.shape, y.dtype) == ((*shape, 5), "float32")
    for where in np.ndindex(*shape):
        np.testing.assert_array_equal(y[where], layer.weight.data[x[where]])


@pytest.mark.parametrize(("vocabulary", "count"), [(1, 30), (4, 200), (5000, 300)])
def test_gradients_of_repeated_indices_add_up(vocabulary, count, rng):
    layer = nn.Embedding(vocabulary, 3).to(dtype="float64")
    layer.weight.grad[...] = before = rng.standard_normal((vocabulary, 3))
    x, dy = rng.integers(0, vocabulary, count), rng.standard_normal((count, 3))
    layer(x)
    assert layer.backward(dy) is None
    expected = before.copy()
    for index, row in zip(x, dy, strict=True):
        expected[index] += row
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding_idx", [0, 3, -1])
@pytest.mark.parametrize("used", ["forms", "lesson"])
def test_padding_starts_at_zero_and_gets_no_gradient(padding_idx, used, rng):
    layer = nn.Embedding(6, 2, padding_idx)
    assert not layer.weight.data[padding_idx].any()
    assert layer.weight.data.any(axis=1).sum() == 5
    with forms.only() if used == "lesson" else nullcontext():
        layer(np.arange(12) % 6)
        layer.backward(rng.standard_normal((12, 2), dtype="float32"))
    assert not layer.weight.grad[padding_idx].any()
    assert layer.weight.grad.any(axis=1).sum() == 5


def test_starts_standard_normal_from_its_generator():
    weight = nn.Embedding(500, 40, rng=np.random.default_rng(1)).weight.data
    assert weight.dtype == "float32"
    assert abs(weight.mean()) < 0.02
    assert abs(weight.std() - 1) < 0.02
    again = nn.Embedding(500, 40, rng=np.random.default_rng(1)).weight.data
    np.testing.assert_array_equal(weight, again)
    assert (weight != nn.Embedding(500, 40).weight.data).any()


def test_a_tied_weight_collects_both_gradients(rng):
    embed, head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    head.weight = embed.weight
    x = np.array([1, 1, 4])
    dy = rng.standard_normal((3, 5), dtype="float32")
    dh = head.backward(dy) if head(embed(x)) is not None else None
    of_head = embed.weight.grad.copy()
    embed.backward(dh)
    expected = of_head.copy()
    np.add.at(expected, x, dh)
    np.testing.assert_allclose(embed.weight.grad, expected, rtol=1e-6)


def test_no_indices_no_change():
    layer = nn.Embedding(5, 3)
    assert layer(np.zeros((2, 0), int)).shape == (2, 0, 3)
    layer.backward(np.zeros((2, 0, 3), "float32"))
    assert not layer.weight.grad.any()


def test_errors_say_what_to_do():
    layer = nn.Embedding(10, 3)
    with pytest.raises(TypeError, match=r"Embedding: expected integer indices, got float32; cast"):
        layer(np.zeros(3, "float32"))
    message = (
        "Embedding: expected indices from 0 to 9, got -2 to 12; "
        "build it with num_embeddings=13 or more, and number from 0"
    )
    with pytest.raises(IndexError, match=message):
        layer(np.array([[-2, 5], [12, 0]]))
    with pytest.raises(IndexError, match="got -1 to 3"):
        layer(np.array([-1, 3]))
    with pytest.raises(ValueError, match="num_embeddings and embedding_dim of 1 or more, got 0"):
        nn.Embedding(0, 3)
    with pytest.raises(ValueError, match="padding_idx inside the table of 10 rows, got 10"):
        nn.Embedding(10, 3, padding_idx=10)


def test_costs_no_flops_and_shows_itself():
    layer, x = nn.Embedding(10, 3, padding_idx=-1), np.zeros(4, int)
    assert layer.flops(x, layer(x)) == 0
    assert repr(layer) == "Embedding(10, 3, padding_idx=9)"
