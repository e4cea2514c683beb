"""Attention and Transformer layers against PyTorch in float64: output, dx and every dW."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")


def double(array):
    return torch.tensor(array, requires_grad=True)


def close(ours, theirs, atol=1e-11):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=atol)


def twins(ours, theirs, rng):
    """Both with the same random parameters."""
    ours, theirs = ours.to(dtype="float64"), theirs.double()
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.copy_(torch.from_numpy(0.4 * rng.standard_normal(tuple(tensor.shape))))
    return ours.from_torch(theirs.state_dict()), theirs


def same_gradients(ours, theirs):
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    assert {name for name, _ in ours.named_parameters()} == set(gradients)
    for name, p in ours.named_parameters():
        close(p.grad, gradients[name])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("kind", ["none", "boolean", "additive", "causal"])
def test_multi_head_attention(bias, cross, kind):
    rng = np.random.default_rng(3)
    t, s = 6, 9 if cross else 6
    if kind == "causal" and cross:
        pytest.skip("PyTorch's is_causal counts from the other end where there are more keys")
    ours, theirs = twins(
        nn.MultiHeadAttention(8, 2, bias=bias, is_causal=kind == "causal"),
        torch.nn.MultiheadAttention(8, 2, bias=bias, batch_first=True),
        rng,
    )
    x, c = rng.standard_normal((3, t, 8)), rng.standard_normal((3, s, 8))
    mask = torch_mask = None
    if kind == "boolean":
        mask = rng.random((t, s)) > 0.4
        mask[:, 0] = True
        torch_mask = torch.tensor(~mask)  # nn.MultiheadAttention says True for "do not look"
    elif kind == "additive":
        mask = rng.standard_normal((t, s))
        torch_mask = torch.tensor(mask)
    elif kind == "causal":
        torch_mask = torch.triu(torch.ones(t, t, dtype=torch.bool), 1)
    tx, tc = double(x), double(c)
    source = tc if cross else tx
    ty, weights = theirs(
        tx, source, source, attn_mask=torch_mask, average_attn_weights=False, need_weights=True
    )
    y = ours(x, c if cross else None, mask)
    close(y, ty)
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.tensor(dy))
    dx = ours.backward(dy)
    if cross:
        close(dx[0], tx.grad)
        close(dx[1], tc.grad)
    else:
        close(dx, tx.grad)
    same_gradients(ours, theirs)
    close(ours.weights(x, c if cross else None, mask), weights)


@pytest.mark.parametrize("scale", [1.0, 100.0])  # small scores, and such as need their largest
@pytest.mark.parametrize("length", [7, 64, 200])
@pytest.mark.parametrize("causal", [False, True])
def test_tiles_equal_scaled_dot_product_attention(causal, length, scale):
    rng = np.random.default_rng(4)
    layer = nn.MultiHeadAttention(16, 2, bias=False, is_causal=causal).to(dtype="float64")
    layer.in_proj_weight.data[...] = scale**0.5 * rng.standard_normal((48, 16))
    layer.out_proj.weight.data[...] = np.eye(16)
    x, dy = rng.standard_normal((2, length, 16)), rng.standard_normal((2, length, 16))
    tx = double(x)
    parts = (tx @ torch.tensor(layer.in_proj_weight.data).T).split(16, dim=2)
    q, k, v = (part.view(2, length, 2, 8).transpose(1, 2) for part in parts)
    ty = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    ty = ty.transpose(1, 2).reshape(2, length, 16)
    ty.backward(torch.tensor(dy))
    close(layer(x), ty)
    close(layer.backward(dy), tx.grad, atol=1e-8)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("recompute", [False, True])
def test_encoder_layer(norm_first, activation, bias, recompute):
    rng = np.random.default_rng(5)
    options = {"dim_feedforward": 12, "dropout": 0.0, "activation": activation, "bias": bias}
    options["norm_first"] = norm_first
    ours, theirs = twins(
        nn.TransformerEncoderLayer(8, 2, recompute=recompute, **options),
        torch.nn.TransformerEncoderLayer(8, 2, batch_first=True, **options),
        rng,
    )
    x, mask = rng.standard_normal((3, 5, 8)), rng.random((5, 5)) > 0.3
    mask[:, 2] = True
    tx = double(x)
    ty = theirs(tx, src_mask=torch.tensor(~mask))
    y, dy = ours(x, mask), rng.standard_normal((3, 5, 8))
    close(y, ty)
    ty.backward(torch.tensor(dy))
    close(ours.backward(dy), tx.grad)
    same_gradients(ours, theirs)


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer(norm_first):
    rng = np.random.default_rng(6)
    options = {"dim_feedforward": 12, "dropout": 0.0, "activation": "gelu"}
    options["norm_first"] = norm_first
    ours, theirs = twins(
        nn.TransformerDecoderLayer(8, 2, is_causal=True, **options),
        torch.nn.TransformerDecoderLayer(8, 2, batch_first=True, **options),
        rng,
    )
    x, memory = rng.standard_normal((3, 5, 8)), rng.standard_normal((3, 7, 8))
    tx, tm = double(x), double(memory)
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    ty = theirs(tx, tm, tgt_mask=causal)
    y, dy = ours(x, memory), rng.standard_normal((3, 5, 8))
    close(y, ty)
    ty.backward(torch.tensor(dy))
    dx, dmemory = ours.backward(dy)
    close(dx, tx.grad)
    close(dmemory, tm.grad)
    same_gradients(ours, theirs)
