"""Attention: dropout, rotary positions, recomputation, the cache, bad input."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.support import forms


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_query_that_sees_nothing_gets_nothing(rng):
    layer = nn.MultiHeadAttention(4, 2, bias=False)
    mask = np.ones((3, 3), bool)
    mask[1] = False
    x = rng.standard_normal((2, 3, 4)).astype("float32")
    assert not layer(x, None, mask)[:, 1].any()
    assert not layer.weights(x, None, mask)[:, :, 1].any()


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_causal_positions_do_not_see_the_future(rng, size):
    layer = nn.MultiHeadAttention(8, 2, is_causal=True)
    x = (size * rng.standard_normal((2, 150, 8))).astype("float32")
    y = layer(x)
    x[:, 70:] += 1
    np.testing.assert_array_equal(layer(x)[:, :70], y[:, :70])


def test_dropout_zeroes_its_share_of_the_weights_and_keeps_the_mean():
    n, h, t = 20, 2, 100
    layer = nn.MultiHeadAttention(2 * h, h, dropout=0.3)
    layer.in_proj_weight.data[...] = 0  # so that all weights are 1/t, and v is 1
    layer.in_proj_bias.data[-2 * h :] = 1
    layer.out_proj.weight.data[...] = np.eye(2 * h)
    # a row's sum of weights: the share kept, / 0.7; binomial with t trials
    sums = layer(np.zeros((n, t, 2 * h), "float32"))[..., ::2]
    assert sums.mean() == pytest.approx(1, abs=0.01)
    assert sums.std() == pytest.approx((0.3 / 0.7 / t) ** 0.5, rel=0.1)


def test_dropout_repeats_with_the_stream_and_differs_between_calls(rng):
    layer = nn.MultiHeadAttention(8, 2, dropout=0.5)
    x = rng.standard_normal((2, 5, 8)).astype("float32")
    fl.seed_everything(1)
    first, second = layer(x), layer(x)
    fl.seed_everything(1)
    np.testing.assert_array_equal(layer(x), first)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer.eval()(x), layer(x))


def test_rotary_products_depend_on_the_distance_only(rng):
    rotary = nn.RotaryPositions(8)
    q, k = rng.standard_normal((2, 1, 8))
    for distance in (0, 3):
        products = [
            (rotary.turn(q, start + distance) @ rotary.turn(k, start).T).item() for start in (0, 50)
        ]
        assert products[0] == pytest.approx(products[1], abs=1e-12)
    np.testing.assert_allclose(rotary.turn(rotary.turn(q, 9), 9, back=True), q, atol=1e-12)


@pytest.mark.forms
@pytest.mark.parametrize("back", [False, True])
def test_the_form_of_rotary_positions_is_its_lesson_to_the_last_bit(rng, back):
    rotary, x = nn.RotaryPositions(6), rng.standard_normal((2, 3, 5, 6)).astype("float32")
    found = rotary.turn(x, 7, back=back)
    with forms.only():
        np.testing.assert_array_equal(found, rotary.turn(x, 7, back=back))


@pytest.mark.parametrize("rotary", [None, nn.RotaryPositions(4)])
def test_the_cache_gives_what_one_forward_gives(rng, rotary):
    layer = nn.MultiHeadAttention(8, 2, is_causal=True, rotary=rotary).eval()
    x = rng.standard_normal((2, 9, 8)).astype("float32")
    cache = nn.KeyValueCache(9)
    parts = [layer.extend(x[:, a:b], cache) for a, b in ((0, 4), (4, 5), (5, 9))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), layer(x), atol=1e-6)
    with pytest.raises(ValueError, match="room for 9 positions, 9 are taken and 1 more came"):
        layer.extend(x[:, :1], cache)


def test_recompute_keeps_only_x_and_draws_the_same_dropout(rng):
    x, dy = rng.standard_normal((2, 2, 5, 8))
    results = []
    for recompute in (False, True):
        fl.seed_everything(3)
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.3, norm_first=True, recompute=recompute)
        layer.to(dtype="float64")
        y = layer(x)
        kept = [part for part in layer.modules() if part is not layer and part._stack]
        assert bool(kept) != recompute
        after = fl.rng.state_dict()
        dx = layer.backward(dy)
        assert fl.rng.state_dict() == after
        results.append([y, dx, *(p.grad for p in layer.parameters())])
    for plain, again in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, again)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MultiHeadAttention(10, 4), r"multiple of num_heads, got 10 and 4.*1, 2, 5, 10"),
        (lambda: nn.MultiHeadAttention(8, 0), "multiple of num_heads, got 8 and 0"),
        (lambda: nn.MultiHeadAttention(8, 2, 1.5), "dropout from 0 to 1, got 1.5"),
        (lambda: nn.RotaryPositions(3), "even head_dim, for pairs of numbers, got 3"),
        (lambda: nn.SinusoidalPositions(5), "even embed_dim"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="swish"), "relu or gelu, got 'swish'"),
        (lambda: nn.PatchEmbedding(1, 8, 0), "patch_size of 1 or more, got 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


X = np.zeros((2, 3, 8), "float32")


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((X[0],), ValueError, r"\(samples, positions, 8\) \(embed_dim\), got shape \(3, 8\)"),
        ((X[..., :6],), ValueError, r"got shape \(2, 3, 6\)"),
        ((X.astype("float64"),), TypeError, r"x of dtype float32 .* got float64; cast it"),
        ((X, X[:1]), ValueError, r"expected context .* beside x of shape \(2, 3, 8\)"),
        ((X, None, np.ones((3, 4), bool)), ValueError, r"mask of shape \(3, 3\).*got shape \(3, 4"),
        ((X, None, np.ones((4, 3, 3), bool)), ValueError, r"got shape \(4, 3, 3\)"),
        ((X, None, np.ones((2, 3, 3, 3), bool)), ValueError, r"got shape \(2, 3, 3, 3\)"),
        ((X, None, np.ones(3, bool)), ValueError, r"got shape \(3,\)"),
        ((X, None, np.ones((3, 3), int)), TypeError, r"boolean mask .* got int64"),
    ],
)
def test_bad_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        nn.MultiHeadAttention(8, 2)(*inputs)


def test_other_layers_say_what_they_expected():
    with pytest.raises(ValueError, match=r"multiples of 4 \(patch_size\), got shape \(2, 6, 8, 1"):
        nn.PatchEmbedding(1, 8, 4)(np.zeros((2, 6, 8, 1), "float32"))
    with pytest.raises(ValueError, match=r"positions, 4\), got shape \(2, 3, 8\)"):
        nn.RotaryPositions(4)(X)
    with pytest.raises(ValueError, match=r"positions, 4\), got shape \(2, 3, 8\)"):
        nn.SinusoidalPositions(4)(X)
    with pytest.raises(ValueError, match="as many keys as queries or more, got 2 and 3"):
        nn.MultiHeadAttention(8, 2, is_causal=True)(X, X[:, :2])
