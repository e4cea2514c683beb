"""Feed-forward, positions and patches beyond the gradient table."""

import numpy as np
import pytest

from firstlight import nn


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_widths_by_default():
    assert nn.FeedForward(12).linear1.weight.shape == (48, 12)
    assert nn.SwiGLU(12).linear1.weight.shape == (32, 12)
    sizes = [sum(p.size for p in f.parameters()) for f in (nn.FeedForward(12, bias=False),
                                                           nn.SwiGLU(12))]  # fmt: skip
    assert sizes[0] == sizes[1]


def test_rotary_products_depend_on_the_distance_only(rng):
    turn = nn.RotaryPositions(6).turn
    q, k = rng.standard_normal((2, 6))
    products = turn(np.tile(q, (20, 1))) @ turn(np.tile(k, (20, 1))).T  # (T, S)
    for distance in range(-5, 6):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-12)
    assert abs(products[0, 0] - products[0, 1]) > 1e-3


def test_rotary_is_a_rotation_and_back_undoes_it(rng):
    layer, x = nn.RotaryPositions(8, base=100.0), rng.standard_normal((2, 3, 9, 8))
    y = layer(x)
    np.testing.assert_array_equal(y[:, :, 0], x[:, :, 0])
    np.testing.assert_allclose((y**2).sum(-1), (x**2).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(layer.backward(y), x, rtol=1e-12)
    np.testing.assert_array_equal(layer.turn(x[:, :, 4:], start=4), y[:, :, 4:])


def test_positions_stay_exact_far_out():
    layer = nn.RotaryPositions(2)
    x = np.zeros((1, 2), "float32")
    x[:, 0] = 1
    turned = layer.turn(x, start=100_003)
    np.testing.assert_allclose(turned, [[np.cos(100_003.0), np.sin(100_003.0)]], rtol=1e-6)
    assert turned.dtype == "float32"


def test_patches_are_cut_row_by_row():
    layer = nn.PatchEmbedding(1, 4, 2)
    layer.proj.weight.data[...], layer.proj.bias.data[...] = np.eye(4), 0
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(layer(x)[0], expected)
    np.testing.assert_array_equal(layer.backward(np.array([expected], "float32")), x)


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (2, 8, 6, 3), (2, 8, 8, 1), (8, 8, 3)])
def test_images_that_do_not_fit_the_patches(shape):
    message = r"images \(N, H, W, 3\) with H and W multiples of 4 .*got shape \("
    with pytest.raises(ValueError, match=message):
        nn.PatchEmbedding(3, 5, 4)(np.ones(shape, "float32"))


def test_arguments_that_do_not_fit():
    with pytest.raises(ValueError, match="PatchEmbedding: expected patch_size of 1 or more, got 0"):
        nn.PatchEmbedding(1, 5, 0)
    with pytest.raises(ValueError, match="SinusoidalPositions: expected an even embed_dim.*got 5"):
        nn.SinusoidalPositions(5)
    with pytest.raises(ValueError, match="RotaryPositions: expected an even head_dim.*got 0"):
        nn.RotaryPositions(0)
    for layer in (nn.SinusoidalPositions(4), nn.RotaryPositions(4)):
        with pytest.raises(ValueError, match=r"\(..., positions, 4\), got shape \(2, 6\)"):
            layer(np.ones((2, 6)))
        with pytest.raises(ValueError, match=r"\(..., positions, 4\), got shape \(4,\)"):
            layer(np.ones(4))
    with pytest.raises(ValueError, match="Linear: expected x with last axis 8"):
        nn.FeedForward(8)(np.ones((2, 6), "float32"))
    with pytest.raises(TypeError, match="Linear: expected x of dtype float32"):
        nn.SwiGLU(8)(np.ones((2, 8)))
    with pytest.raises(ValueError, match="GELU: expected approximate .* got 'erf'"):
        nn.FeedForward(8, approximate="erf")
