"""Feed-forward, positions and patches against PyTorch in float64, with a random dy."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
functional = torch.nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def compare(layer, theirs, shape, rng):
    """``theirs(x, parameters)``, with the tensors by name, must give y, dx and every dW."""
    layer.to(dtype="float64")
    x = rng.standard_normal(shape)
    tx = torch.tensor(x, requires_grad=True)
    parameters = {name: t.requires_grad_() for name, t in layer.to_torch().items()}
    y, ty = layer(x), theirs(tx, parameters)
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.from_numpy(dy))
    pairs = [(y, ty.detach()), (layer.backward(dy), tx.grad)]
    pairs += [(p.grad, parameters[name].grad) for name, p in layer.named_parameters()]
    for ours, expected in pairs:
        np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5, 8), (4, 8), (1, 1, 8)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_feed_forward(shape, bias, approximate, rng):
    def theirs(x, p):
        hidden = functional.linear(x, p["linear1.weight"], p.get("linear1.bias"))
        hidden = functional.gelu(hidden, approximate=approximate)
        return functional.linear(hidden, p["linear2.weight"], p.get("linear2.bias"))

    compare(nn.FeedForward(8, bias=bias, approximate=approximate), theirs, shape, rng)


@pytest.mark.parametrize("shape", [(3, 5, 8), (4, 8), (1, 1, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_swiglu(shape, bias, rng):
    def theirs(x, p):
        gate, u = (
            functional.linear(x, p[f"linear{i}.weight"], p.get(f"linear{i}.bias")) for i in (1, 3)
        )
        return functional.linear(
            functional.silu(gate) * u, p["linear2.weight"], p.get("linear2.bias")
        )

    compare(nn.SwiGLU(8, 6, bias), theirs, shape, rng)


@pytest.mark.parametrize("shape", [(3, 5, 8), (2, 4, 300, 8)])
def test_sinusoidal_positions(shape, rng):
    def theirs(x, _):
        table = torch.zeros(shape[-2:], dtype=torch.float64)
        angles = torch.arange(shape[-2])[:, None] / 10000 ** (
            torch.arange(0, 8, 2, dtype=torch.float64) / 8
        )
        table[:, 0::2], table[:, 1::2] = angles.sin(), angles.cos()
        return x + table

    compare(nn.SinusoidalPositions(8), theirs, shape, rng)


@pytest.mark.parametrize("shape", [(2, 4, 7, 8), (300, 8)])
@pytest.mark.parametrize("base", [10000.0, 50.0])
def test_rotary_positions_are_complex_products(shape, base, rng):
    def theirs(x, _):
        waves = base ** (-torch.arange(0, 8, 2, dtype=torch.float64) / 8)
        angles = torch.outer(torch.arange(shape[-2], dtype=torch.float64), waves)
        turned = torch.complex(x[..., :4], x[..., 4:]) * torch.exp(1j * angles)
        return torch.cat([turned.real, turned.imag], dim=-1)

    compare(nn.RotaryPositions(8, base), theirs, shape, rng)


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 4, 6, 3), 2), ((1, 9, 3, 1), 3), ((3, 4, 4, 2), 1), ((2, 4, 4, 1), 4)]
)
def test_patches_are_a_convolution_whose_stride_is_its_size(shape, size, rng):
    channels = shape[-1]

    def theirs(x, p):
        kernel = p["proj.weight"].reshape(5, size, size, channels).permute(0, 3, 1, 2)
        y = functional.conv2d(x.permute(0, 3, 1, 2), kernel, p["proj.bias"], stride=size)
        return y.flatten(2).transpose(1, 2)

    compare(nn.PatchEmbedding(channels, 5, size), theirs, shape, rng)
