"""Transformer layers and ViT against PyTorch in float64, with a random dy."""

import itertools

import numpy as np
import pytest

from firstlight import nn
from firstlight.models import ViT

torch = pytest.importorskip("torch")
tnn = torch.nn
C, HEADS, HIDDEN, T, S = 8, 2, 12, 5, 7

OPTIONS = [
    {"activation": phi, "norm_first": first, "bias": bias, "layer_norm_eps": eps}
    for phi, first, (bias, eps) in itertools.product(
        ("relu", "gelu"), (False, True), ((True, 1e-5), (False, 0.1))
    )
]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=str)
both_modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def twins(layer, twin, rng, training):
    """Both with the same random parameters, in the same mode; ours keeps what backward needs."""
    layer.to(dtype="float64")
    twin.double().train(training)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(torch.from_numpy(0.5 * rng.standard_normal(tuple(parameter.shape))))
    layer.from_torch(twin.state_dict())
    if not training:
        layer.eval(keep_backward=True)
    return layer, twin


def layers(kind, options, rng, training, dropout=0.0, **ours):
    """Our layer of a kind, and PyTorch's."""
    layer = getattr(nn, kind)(C, HEADS, HIDDEN, dropout, **options, **ours)
    twin = getattr(tnn, kind)(C, HEADS, HIDDEN, dropout, batch_first=True, **options)
    return twins(layer, twin, rng, training)


def close(left, right):
    np.testing.assert_allclose(left, right.detach().numpy(), rtol=1e-10, atol=1e-12)


def compare(layer, twin, inputs, masks, their_masks, rng):
    """Forward and backward of both; every output and gradient must agree."""
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y, ty = layer(*inputs, *masks), twin(*tensors, **their_masks)
    close(y, ty)
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.from_numpy(dy))
    dx = layer.backward(dy)
    for d, tensor in zip(dx if isinstance(dx, tuple) else (dx,), tensors, strict=True):
        close(d, tensor.grad)
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    assert list(gradients) == [name for name, _ in layer.named_parameters()]
    for name, parameter in layer.named_parameters():
        close(parameter.grad, gradients[name])


def seen(rng, *shape):
    """A boolean mask that hides about a third, and from no query everything."""
    mask = rng.random(shape) > 0.3
    mask[..., 0] = True
    return mask


@every_option
@both_modes
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_encoder_layer(options, training, recompute):
    rng = np.random.default_rng(1)
    layer, twin = layers("TransformerEncoderLayer", options, rng, training, recompute=recompute)
    compare(layer, twin, [rng.standard_normal((3, T, C))], [], {}, rng)


@pytest.mark.parametrize("norm_first", [False, True])
@both_modes
def test_encoder_layer_with_masks(norm_first, training):
    rng = np.random.default_rng(2)
    options = {"norm_first": norm_first}
    x = rng.standard_normal((3, T, C))
    mask = seen(rng, T, T)
    theirs = {"src_mask": torch.from_numpy(~mask)}  # there True hides
    layer, twin = layers("TransformerEncoderLayer", options, rng, training)
    compare(layer, twin, [x], [mask], theirs, rng)

    padding = seen(rng, 3, T)  # which positions of each sample there are
    mask = np.broadcast_to(padding[:, None], (3, T, T))
    theirs = {"src_key_padding_mask": torch.from_numpy(~padding)}
    layer, twin = layers("TransformerEncoderLayer", options, rng, training)
    compare(layer, twin, [x], [mask], theirs, rng)

    bias = rng.standard_normal((T, T))
    layer, twin = layers("TransformerEncoderLayer", options, rng, training)
    compare(layer, twin, [x], [bias], {"src_mask": torch.from_numpy(bias)}, rng)

    causal = tnn.Transformer.generate_square_subsequent_mask(T, dtype=torch.float64)
    layer, twin = layers("TransformerEncoderLayer", options, rng, training, is_causal=True)
    compare(layer, twin, [x], [], {"src_mask": causal}, rng)


@every_option
@both_modes
@pytest.mark.parametrize("masked", [False, True], ids=["open", "masked"])
def test_decoder_layer(options, training, masked):
    rng = np.random.default_rng(3)
    layer, twin = layers("TransformerDecoderLayer", options, rng, training, is_causal=masked)
    inputs = [rng.standard_normal((3, T, C)), rng.standard_normal((3, S, C))]
    masks, theirs = [], {}
    if masked:
        causal = tnn.Transformer.generate_square_subsequent_mask(T, dtype=torch.float64)
        mask = seen(rng, T, S)
        masks, theirs = [None, mask], {"tgt_mask": causal, "memory_mask": torch.from_numpy(~mask)}
    compare(layer, twin, inputs, masks, theirs, rng)


@pytest.mark.parametrize("kind", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_defaults_and_state_are_pytorchs(kind):
    layer, twin = getattr(nn, kind)(C, HEADS), getattr(tnn, kind)(C, HEADS, batch_first=True)
    ours = {name: p.shape for name, p in layer.named_parameters()}
    assert ours == {name: tuple(p.shape) for name, p in twin.named_parameters()}
    assert [m.p for m in layer.modules() if isinstance(m, nn.Dropout)] == [
        m.p for m in twin.modules() if isinstance(m, tnn.Dropout)
    ]
    assert layer.self_attn.dropout == twin.self_attn.dropout
    assert layer.norm1.eps == twin.norm1.eps
    assert layer.norm_first == twin.norm_first
    twin.load_state_dict(layer.to_torch(), strict=True)


class TorchViT(tnn.Module):
    """The same network of PyTorch's parts; patches by a convolution whose stride is its size."""

    def __init__(self, patch, count, pool):
        super().__init__()
        self.pool, self.patch = pool, patch
        self.class_token = tnn.Parameter(torch.zeros(C)) if pool == "token" else None
        self.positions = tnn.Parameter(torch.zeros(count + (pool == "token"), C))
        self.patches = tnn.Module()
        self.patches.proj = tnn.Linear(patch * patch * 3, C)
        self.layers = tnn.Sequential(
            *(
                tnn.TransformerEncoderLayer(
                    C, HEADS, 2 * C, 0.0, "gelu", norm_first=True, batch_first=True
                )
                for _ in range(2)
            )
        )
        self.norm = tnn.LayerNorm(C)
        self.head = tnn.Linear(C, 4)

    def forward(self, x):  # x (N, H, W, 3)
        p, proj = self.patch, self.patches.proj
        kernel = proj.weight.reshape(C, p, p, 3).permute(0, 3, 1, 2)  # (C, 3, P, P)
        grid = tnn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, proj.bias, stride=p)
        h = grid.flatten(2).transpose(1, 2)  # (N, T, C)
        if self.pool == "token":
            h = torch.cat([self.class_token.expand(len(x), 1, C), h], dim=1)
        h = self.layers(h + self.positions)
        return self.head(self.norm(h[:, 0] if self.pool == "token" else h.mean(dim=1)))


@both_modes
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("pool", ["mean", "token"])
@pytest.mark.parametrize(("shape", "patch"), [((8, 8, 3), 2), ((4, 6, 3), 2), ((6, 3, 3), 3)])
def test_vit(shape, patch, pool, recompute, training):
    rng = np.random.default_rng(4)
    options = {"embed_dim": C, "depth": 2, "num_heads": HEADS, "dropout": 0.0}
    net = ViT(shape, 4, patch_size=patch, pool=pool, recompute=recompute, **options)
    twin = TorchViT(patch, shape[0] * shape[1] // patch**2, pool)
    net, twin = twins(net, twin, rng, training)
    x = rng.standard_normal((3, *shape))
    y, ty = net(x), twin(torch.from_numpy(x))
    close(y, ty)
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.from_numpy(dy))
    assert net.backward(dy) is None
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    assert set(gradients) == {name for name, _ in net.named_parameters()}
    for name, parameter in net.named_parameters():
        close(parameter.grad, gradients[name])
