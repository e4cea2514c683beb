"""Attention's kernels against its definition: tiles, masks, dropout, strides, NaN, tensor cores."""

import numpy as np
import philox
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.fast.cuda import gemm
from firstlight.fast.cuda.attention import CudaAttention
from firstlight.support import forms
from firstlight.support.backend import to_device

pytestmark = pytest.mark.gpu
RNG = np.random.default_rng(7)
SEED = 11


def there(x):
    return to_device(x, "cuda:0")


def factors(shape, p):
    """Return dropout's factors of the first call of the first pass."""
    drawn = philox.uniform(int(np.prod(shape)), step=1, call=1, seed=SEED).reshape(shape)
    return (drawn >= np.float32(p)) / (1 - float(np.float32(p)))


def definition(q, k, v, dy, bias=None, causal=False, p=0.0):
    """Return y, dq, dk and dv in float64."""
    q, k, v, dy = (x.astype("float64") for x in (q, k, v, dy))
    queries, keys, width = *q.shape[2:3], *k.shape[2:]
    scores = q @ k.swapaxes(-1, -2) / width**0.5 + (0 if bias is None else bias)
    if causal:
        scores += np.triu(np.full((queries, keys), -np.inf), keys - queries + 1)
    weights = np.exp(scores - np.maximum(scores.max(axis=-1, keepdims=True), -1e300))
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)
    m = factors(weights.shape, p) if p else 1.0
    dp = dy @ v.swapaxes(-1, -2) * m
    ds = weights * (dp - (dp * weights).sum(axis=-1, keepdims=True)) / width**0.5
    dv = (weights * m).swapaxes(-1, -2) @ dy
    return (weights * m) @ v, ds @ k, ds.swapaxes(-1, -2) @ q, dv


def computed(q, k, v, dy, place=there, bias=None, causal=False, p=0.0):
    """Return the same of the kernels."""
    options = {"bias": None if bias is None else there(bias), "causal": causal, "dropout": p}
    fl.seed_everything(SEED)
    fl.rng.begin_pass()
    if p:
        options["seeds"] = CudaAttention.draw_seeds(there(q))
    y, *gradients = (place(np.full_like(x, np.nan)) for x in (q, q, k, v))
    inputs = place(q), place(k), place(v), y
    stats = CudaAttention.attend(*inputs, **options)
    CudaAttention.attend_backward(place(dy), *inputs, stats, *gradients, **options)
    return [x.get() for x in (y, *gradients)]


def numbers(queries, keys, width, dtype="float64", n=1, h=2):
    sizes = queries, keys, keys, queries
    return [RNG.standard_normal((n, h, size, width)).astype(dtype) for size in sizes]


def same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# Queries, keys and numbers of a head. Each of 16, 32, 64 and 128 numbers has kernels of its own,
# whose compilation takes seconds.
NARROW = [(1, 1, 1), (1, 300, 3), (67, 68, 13), (67, 84, 13)]
SIZES = [*NARROW, (67, 67, 17), (3, 65, 33), (65, 3, 64), (33, 40, 128)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_sizes_that_are_no_multiple_of_a_tile(sizes, causal, dtype):
    given = numbers(*sizes, dtype)
    found = computed(*given, causal=causal)
    assert {x.dtype.name for x in found} == {dtype}
    same(found, definition(*given, causal=causal), 3e-5 if dtype == "float32" else 1e-11)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [None, 1, 2])  # of the bias
@pytest.mark.parametrize("sizes", [(5, 5, 4), (5, 140, 4), (70, 37, 4)], ids=str)
def test_masks_and_dropout(sizes, heads, causal):
    given = numbers(*sizes, n=2)
    bias = None if heads is None else RNG.standard_normal((2, heads, *sizes[:2]))
    options = {"bias": bias, "causal": causal, "p": 0.4}
    same(computed(*given, **options), definition(*given, **options), 1e-11)


def in_rows(x):
    """Heads side by side in rows (N, T, 3, H, D), as a product makes q, k and v."""
    n, h, t, d = x.shape
    rows = there(np.zeros((n, t, 3, h, d), x.dtype))
    rows[:, :, 1] = there(x.swapaxes(1, 2).copy())
    return rows[:, :, 1].swapaxes(1, 2)


def test_heads_in_rows_are_not_copied(counts):
    q, k, v, dy = numbers(35, 67, 12)
    same(computed(q, k, v, dy, place=in_rows), definition(q, k, v, dy), 1e-11)
    y, slope, *gradients = map(in_rows, (q, dy, q, k, v))
    inputs, launches = [*map(in_rows, (q, k, v)), y], counts["launches"]
    stats = CudaAttention.attend(*inputs)
    CudaAttention.attend_backward(slope, *inputs, stats, *gradients)
    assert counts["launches"] == launches + 2


def test_numbers_of_a_head_that_are_not_side_by_side_are_copied():
    q, k, v, dy = numbers(5, 7, 6)
    turned = [there(x.swapaxes(-1, -2).copy()).swapaxes(-1, -2) for x in (q, k, v)]
    y, *gradients = (there(np.empty_like(x)) for x in (q, q, k, v))
    stats = CudaAttention.attend(*turned, y)
    slope = there(dy.swapaxes(-1, -2).copy()).swapaxes(-1, -2)
    CudaAttention.attend_backward(slope, *turned, y, stats, *gradients)
    same([x.get() for x in (y, *gradients)], definition(q, k, v, dy), 1e-11)


def test_a_query_that_sees_no_key_takes_nothing():
    given = numbers(40, 40, 4)
    bias = np.zeros((1, 1, 40, 40))
    bias[..., 1, :] = bias[..., 30, :] = -np.inf
    found = computed(*given, bias=bias)
    same(found, definition(*given, bias=bias), 1e-11)
    assert not found[0][:, :, [1, 30]].any()
    assert not found[1][:, :, [1, 30]].any()


def test_large_scores_keep_their_digits():
    q, k, v, dy = numbers(40, 40, 8, "float32")
    given = 1000 * q, 30 * k, v, dy
    bias = RNG.choice([0.0, -1e4], (1, 1, 40, 40)).astype("float32")
    found, right = computed(*given, bias=bias), definition(*given, bias=bias)
    same(found[:1], right[:1], 2e-2)
    same(found[3:], right[3:], 2e-2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", range(4), ids=["q", "k", "v", "dy"])
def test_what_is_nan_by_definition_is_not_finite(which, value):
    given = numbers(40, 70, 4, "float32")
    given[which][0, 1, 35, 2] = value
    with np.errstate(all="ignore"):
        expected = definition(*given)
    for found, right in zip(computed(*given), expected, strict=True):
        assert np.isnan(right).any() <= (not np.isfinite(found).all())
        assert not (np.isnan(right) & np.isfinite(found)).any()
        finite = np.isfinite(right)
        np.testing.assert_allclose(found[finite], right[finite], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "16"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_tensor_cores_give_nearly_the_same(sizes, causal, precision):
    given = numbers(*sizes, "float32")
    bias = RNG.standard_normal((1, 1, *sizes[:2])).astype("float32")
    options = {"causal": causal, "bias": bias, "p": 0.3}
    right = definition(*given, **options)
    with gemm.precision(precision):
        found = computed(*given, **options)
    for one, other in zip(found, right, strict=True):
        size = max(1, np.abs(other).max())
        assert np.abs(one - other).max() <= 1e-2 * size
        assert sizes[0] == 1 or np.abs(one - other).max() > 1e-5


def to_10_bits(x):
    """Round the fraction of float32 to 10 bits, halves away from zero."""
    mantissa, exponent = np.frexp(x.astype("float64"))
    return np.ldexp(np.trunc(np.ldexp(mantissa, 11) + np.copysign(0.5, mantissa)), exponent - 11)


def test_tensor_cores_round_the_factors_and_nothing_else():
    given = numbers(1, 1, 40, "float32", h=20)  # of one key the weight is 1
    m = to_10_bits(factors((1, 20, 1, 1), 0.3))
    with gemm.precision("tf32"):
        y, _, _, dv = computed(*given, p=0.3)
    same([y, dv], [m * to_10_bits(given[2]), m * to_10_bits(given[3])], 1e-7)
    assert m.any()


def test_half_precision_keeps_the_range_of_float32():
    q, k, v, dy = numbers(3, 3, 4, "float32")
    given = 1e-6 * q, 1e6 * k, 1e6 * v, dy
    with gemm.precision("16"):
        y = computed(*given)[0]
    same([y / 1e6], [definition(*given)[0] / 1e6], 3e-3)


def test_heads_of_more_numbers_are_the_lessons():
    layer = nn.MultiHeadAttention(129, 1).to(device="cuda:0")
    form = forms.choose(
        nn.MultiHeadAttention.forward.__wrapped__, layer, layer.out_proj.weight.data
    )
    assert form is None
    layer = nn.MultiHeadAttention(128, 1).to(device="cuda:0")
    form = forms.choose(
        nn.MultiHeadAttention.forward.__wrapped__, layer, layer.out_proj.weight.data
    )
    assert form.name == "CudaAttention"
