"""Transformer layers beyond the gradient table: recomputation and messages."""

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import rng as randomness

ENCODER, DECODER = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
both_layers = pytest.mark.parametrize("kind", [ENCODER, DECODER], ids=["encoder", "decoder"])


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype="float32")


def inputs_for(kind, rng):
    x, memory = normal(rng, 3, 5, 8), normal(rng, 3, 7, 8)
    return [x] if kind is ENCODER else [x, memory]


def kept_bytes(layer):
    """Bytes of all arrays on the stacks, each once."""
    arrays = {}
    todo = [module._stack for module in layer.modules()]
    while todo:
        value = todo.pop()
        if isinstance(value, list | tuple):
            todo += value
        elif isinstance(value, np.ndarray):
            whole = value if value.base is None else value.base
            arrays[id(whole)] = whole.nbytes
    return sum(arrays.values())


def made(kind, **options):
    return kind(8, 2, 32, 0.3, "gelu", rng=np.random.default_rng(1), **options)


@both_layers
@pytest.mark.parametrize("norm_first", [False, True])
def test_recomputing_changes_no_bit(kind, norm_first, rng):
    results, dy = [], normal(rng, 3, 5, 8)
    batches = [inputs_for(kind, rng) for _ in range(2)]
    start = randomness.state_dict()
    for recompute in (False, True):
        randomness.load_state_dict(start)
        layer = made(kind, norm_first=norm_first, recompute=recompute)
        ys = [layer(*batch) for batch in batches]
        after_forward = randomness.stream("dropout").random()
        gradients = [layer.backward(dy) for _ in batches]  # the second batch first
        after_backward = randomness.stream("dropout").random()
        if kind is DECODER:
            gradients = [d for pair in gradients for d in pair]
        gradients += [parameter.grad for parameter in layer.parameters()]
        results.append([*ys, *gradients, after_forward, after_backward])
    for kept, recomputed in zip(*results, strict=True):
        np.testing.assert_array_equal(kept, recomputed)


@both_layers
def test_recomputing_keeps_the_inputs_only(kind, rng):
    inputs = inputs_for(kind, rng)
    layer, plain = made(kind, recompute=True), made(kind)
    layer(*inputs)
    plain(*inputs)
    assert kept_bytes(layer) == sum(x.nbytes for x in inputs)
    assert kept_bytes(plain) > 8 * kept_bytes(layer)


def test_a_failed_forward_leaves_the_layer_usable(rng):
    layer, x = made(ENCODER, recompute=True), normal(rng, 2, 5, 8)
    with pytest.raises(ValueError, match="expected a mask of shape"):
        layer(x, np.ones((2, 2), bool))
    layer.train()  # forgets the forward that failed
    layer.backward(layer(x))
    assert [module._stack for module in layer.modules() if module._stack] == []


@both_layers
def test_evaluation_drops_and_keeps_nothing(kind, rng):
    inputs, layer = inputs_for(kind, rng), made(kind, recompute=True).eval()
    np.testing.assert_array_equal(layer(*inputs), layer(*inputs))
    assert {module._stack for module in layer.modules()} == {None}
    with pytest.raises(RuntimeError, match=r"eval\(\) keeps nothing for backward"):
        layer.backward(inputs[0])


def test_a_causal_layer_does_not_see_what_comes(rng):
    x, memory = normal(rng, 2, 6, 8), normal(rng, 2, 3, 8)
    changed = x.copy()
    changed[:, 4:] += 1
    encoder, decoder = (made(kind, is_causal=True).eval() for kind in (ENCODER, DECODER))
    for before, after in [
        (encoder(x), encoder(changed)),
        (decoder(x, memory), decoder(changed, memory)),
    ]:
        np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-5, atol=1e-6)
        assert (before[:, 4:] != after[:, 4:]).any(axis=-1).all()


@both_layers
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nhead": 3}, "embed_dim to be a multiple of num_heads, got 8 and 3; .* 1, 2, 4, 8"),
        ({"nhead": 0}, "embed_dim to be a multiple of num_heads, got 8 and 0"),
        ({"dropout": 1.5}, "MultiHeadAttention: expected dropout from 0 to 1, got 1.5"),
        ({"dim_feedforward": 0}, "out_features of 1 or more, got 8 and 0"),
        ({"activation": "swish"}, "Layer: expected activation relu or gelu, got 'swish'"),
    ],
)
def test_arguments_that_do_not_fit(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"d_model": 8, "nhead": 2} | arguments)


@pytest.mark.parametrize("norm_first", [False, True])
def test_inputs_that_do_not_fit(norm_first, rng):
    encoder = ENCODER(8, 2, 16, norm_first=norm_first)
    decoder = DECODER(8, 2, 16, norm_first=norm_first)
    x = normal(rng, 3, 5, 8)
    with pytest.raises(ValueError, match=r"got shape \(3, 5, 9\)"):
        encoder(normal(rng, 3, 5, 9))
    with pytest.raises(ValueError, match=r"shape \(samples, positions, 8\).*got shape \(5, 8\)"):
        encoder(x[0])
    with pytest.raises(TypeError, match="dtype float32 .*got float64"):
        encoder(x.astype("float64"))
    with pytest.raises(ValueError, match=r"expected context of shape .*got shape \(2, 5, 8\) bes"):
        decoder(x, x[:2])
    with pytest.raises(ValueError, match=r"expected a mask of shape \(5, 5\).*got shape \(5, 4\)"):
        encoder(x, np.ones((5, 4), bool))
    with pytest.raises(TypeError, match=r"expected a boolean mask .*got int64; write mask.astype"):
        encoder(x, np.ones((5, 5), "int64"))
