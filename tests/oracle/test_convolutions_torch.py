"""Convolution and pooling against PyTorch in float64: (N, C, H, W) there is (N, H, W, C) here."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
tnn = torch.nn


def random_pair(rng, low, high):
    """A number, or two of them."""
    pair = tuple(int(n) for n in rng.integers(low, high, 2))
    return pair if rng.random() < 0.5 else pair[0]


def conv_arguments(rng):
    groups = int(rng.choice([1, 1, 2, 3]))
    arguments = {
        "in_channels": groups * int(rng.integers(1, 4)),
        "out_channels": groups * int(rng.integers(1, 4)),
        "kernel_size": random_pair(rng, 1, 4),
        "stride": random_pair(rng, 1, 4),
        "padding": random_pair(rng, 0, 4),
        "dilation": random_pair(rng, 1, 4),
        "groups": groups,
        "bias": bool(rng.random() < 0.7),
    }
    if rng.random() < 0.3:
        arguments |= {"stride": 1, "padding": str(rng.choice(["same", "valid"]))}
    return arguments


def transpose_arguments(rng):
    arguments = conv_arguments(rng) | {"padding": random_pair(rng, 0, 2)}
    stride = np.broadcast_to(arguments["stride"], 2)
    dilation = np.broadcast_to(arguments["dilation"], 2)
    extra = [int(rng.integers(0, max(both))) for both in zip(stride, dilation, strict=True)]
    return arguments | {"output_padding": tuple(extra)}


def pool_arguments(rng):
    kernel = random_pair(rng, 1, 5)
    half = int(np.min(kernel)) // 2
    stride = None if rng.random() < 0.5 else random_pair(rng, 1, 4)
    return {
        "kernel_size": kernel,
        "stride": stride,
        "padding": int(rng.integers(0, half + 1)),
        "ceil_mode": bool(rng.random() < 0.5),
    }


def max_arguments(rng):
    return pool_arguments(rng) | {"dilation": random_pair(rng, 1, 3)}


def mean_arguments(rng):
    return pool_arguments(rng) | {"count_include_pad": bool(rng.random() < 0.5)}


def adaptive_arguments(rng):
    return {"output_size": random_pair(rng, 1, 15)}


ARGUMENTS = {
    "Conv2d": conv_arguments,
    "ConvTranspose2d": transpose_arguments,
    "MaxPool2d": max_arguments,
    "AvgPool2d": mean_arguments,
    "AdaptiveAvgPool2d": adaptive_arguments,
}


def images(array):
    """From PyTorch's layout to ours, or back for axes (0, 3, 1, 2)."""
    return array.detach().numpy().transpose(0, 2, 3, 1)


def close(left, right, tolerance=1e-10):
    np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


def compare(layer, twin, x, rng, tolerance=1e-10):
    """Forward and backward of both, with a random dy."""
    layer.from_torch(twin.state_dict())
    tx = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    ty = twin(tx)
    y = layer(x)
    close(y, images(ty), tolerance)
    dy = rng.standard_normal(y.shape).astype(x.dtype)
    ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    close(layer.backward(dy), images(tx.grad), tolerance)
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    assert list(gradients) == [name for name, _ in layer.named_parameters()]
    for name, parameter in layer.named_parameters():
        theirs = gradients[name]
        close(parameter.grad, images(theirs) if theirs.ndim == 4 else theirs.numpy(), tolerance)
    for name, tensor in layer.to_torch().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ARGUMENTS)
def test_random_configurations(name, seed):
    rng = np.random.default_rng(seed)
    arguments = ARGUMENTS[name](rng)
    layer = getattr(nn, name)(**arguments).to(dtype="float64")
    twin = getattr(tnn, name)(**arguments).double()
    shape = (2, *(int(n) for n in rng.integers(9, 15, 2)), arguments.get("in_channels", 3))
    compare(layer, twin, rng.standard_normal(shape), rng)


@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"stride": 2}, {"kernel_size": 1}, {"groups": 16, "padding": 1}]
)
def test_float32_of_a_training_size(options):
    """Large enough for all cores, patches in pieces, and every block being reused."""
    arguments = {"in_channels": 16, "out_channels": 16, "kernel_size": 3, **options}
    rng = np.random.default_rng(1)
    layer, twin = nn.Conv2d(**arguments), tnn.Conv2d(**arguments)
    x = rng.standard_normal((40, 28, 28, 16)).astype("float32")
    tx = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    ty = twin(tx)
    y = layer.from_torch(twin.state_dict())(x)
    dy = rng.standard_normal(y.shape).astype("float32")
    ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    close(y, images(ty), 1e-5)
    close(layer.backward(dy), images(tx.grad), 1e-5)
    scale = float(twin.weight.grad.abs().max())
    close(layer.weight.grad / scale, images(twin.weight.grad) / scale, 1e-5)
    close(layer.bias.grad / scale, twin.bias.grad.numpy() / scale, 1e-5)


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_initial_values_have_the_same_range(name):
    torch.manual_seed(0)
    layer, twin = (getattr(kind, name)(6, 200, 3, groups=2) for kind in (nn, tnn))
    for ours, theirs in zip(layer.parameters(), twin.parameters(), strict=True):
        assert np.abs(ours.data).max() == pytest.approx(
            float(theirs.detach().abs().max()), rel=0.02
        )
        assert ours.data.std() == pytest.approx(float(theirs.detach().std()), rel=0.1)
