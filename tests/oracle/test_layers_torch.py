"""Every layer against PyTorch in float64: forward, dx, every dW, running statistics, state."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
tnn = torch.nn


class TorchResidual(tnn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class TorchChannelsLast(tnn.BatchNorm1d):
    """PyTorch's (N, C, L) as our (N, L, C)."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def cases():
    elementwise = [
        ("ReLU", nn.ReLU, tnn.ReLU),
        ("LeakyReLU", nn.LeakyReLU, tnn.LeakyReLU),
        ("LeakyReLU 0.3", lambda: nn.LeakyReLU(0.3), lambda: tnn.LeakyReLU(0.3)),
        ("LeakyReLU -0.2", lambda: nn.LeakyReLU(-0.2), lambda: tnn.LeakyReLU(-0.2)),
        ("ELU", nn.ELU, tnn.ELU),
        ("ELU 0.4", lambda: nn.ELU(0.4), lambda: tnn.ELU(0.4)),
        ("Sigmoid", nn.Sigmoid, tnn.Sigmoid),
        ("Tanh", nn.Tanh, tnn.Tanh),
        ("SiLU", nn.SiLU, tnn.SiLU),
        ("Softplus", nn.Softplus, tnn.Softplus),
        ("Softplus 3, 2", lambda: nn.Softplus(3, 2), lambda: tnn.Softplus(3, 2)),
        ("GELU", nn.GELU, tnn.GELU),
        ("GELU tanh", lambda: nn.GELU("tanh"), lambda: tnn.GELU("tanh")),
        ("Identity", nn.Identity, tnn.Identity),
        ("Flatten", nn.Flatten, tnn.Flatten),
        ("Flatten 0", lambda: nn.Flatten(0), lambda: tnn.Flatten(0)),
        ("Softmax", nn.Softmax, lambda: tnn.Softmax(-1)),
        ("Softmax 0", lambda: nn.Softmax(0), lambda: tnn.Softmax(0)),
        ("LogSoftmax", nn.LogSoftmax, lambda: tnn.LogSoftmax(-1)),
        ("LogSoftmax 1", lambda: nn.LogSoftmax(1), lambda: tnn.LogSoftmax(1)),
        ("Dropout 0", lambda: nn.Dropout(0.0), lambda: tnn.Dropout(0.0)),
        ("Dropout 1", lambda: nn.Dropout(1.0), lambda: tnn.Dropout(1.0)),
    ]
    for name, ours, theirs in elementwise:
        for shape in [(3, 4), (7, 1), (2, 5, 6)]:
            yield name, ours, theirs, shape
    yield from [
        ("Reshape", lambda: nn.Reshape(2, -1), lambda: tnn.Unflatten(1, (2, -1)), (5, 6)),
        ("Linear", lambda: nn.Linear(4, 3), lambda: tnn.Linear(4, 3), (5, 4)),
        ("Linear 1 row", lambda: nn.Linear(1, 1), lambda: tnn.Linear(1, 1), (1, 1)),
        (
            "Linear no bias",
            lambda: nn.Linear(6, 2, bias=False),
            lambda: tnn.Linear(6, 2, bias=False),
            (2, 3, 6),
        ),
        (
            "Sequential",
            lambda: nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 2)),
            lambda: tnn.Sequential(
                tnn.Linear(4, 6), tnn.GELU(), tnn.LayerNorm(6), tnn.Linear(6, 2)
            ),
            (5, 4),
        ),
        (
            "Residual",
            lambda: nn.Residual(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.Tanh())),
            lambda: TorchResidual(tnn.Sequential(tnn.LayerNorm(4), tnn.Linear(4, 4), tnn.Tanh())),
            (2, 5, 4),
        ),
    ]
    for shape, theirs in [
        ((5, 3), tnn.BatchNorm1d),
        ((2, 1), tnn.BatchNorm1d),
        ((4, 6, 3), TorchChannelsLast),
        ((1, 9, 2), TorchChannelsLast),
    ]:
        for options in [
            {},
            {"eps": 0.1, "momentum": 0.3},
            {"affine": False},
            {"track_running_stats": False},
            {"bias": False},
        ]:
            yield (
                f"BatchNorm1d {options}",
                lambda c=shape[-1], o=options: nn.BatchNorm1d(c, **o),
                lambda c=shape[-1], o=options, t=theirs: t(c, **o),
                shape,
            )
    for name, all_options in [
        ("LayerNorm", [{}, {"eps": 0.1}, {"bias": False}, {"elementwise_affine": False}]),
        ("RMSNorm", [{}, {"eps": 0.1}, {"elementwise_affine": False}]),
    ]:
        for options in all_options:
            for shape, last in [((5, 3), 3), ((2, 5, 4), 4), ((3, 2, 5, 4), (5, 4))]:
                yield (
                    f"{name} {options}",
                    lambda n=name, s=last, o=options: getattr(nn, n)(s, **o),
                    lambda n=name, s=last, o=options: getattr(tnn, n)(s, **o),
                    shape,
                )


CASES = [pytest.param(*case[1:], id=f"{case[0]} {case[3]}") for case in cases()]
every_case = pytest.mark.parametrize(("ours", "theirs", "shape"), CASES)


def twins(ours, theirs, rng):
    """Our layer and PyTorch's, with the same random parameters and buffers."""
    layer, twin = ours().to(dtype="float64"), theirs().double()
    with torch.no_grad():
        for tensor in (*twin.parameters(), *twin.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(0.5 + rng.random(tuple(tensor.shape))))
    return layer.from_torch(twin.state_dict()), twin


def close(left, right):
    np.testing.assert_allclose(left, right.detach().numpy(), rtol=1e-10, atol=1e-12)


def compare(layer, twin, x, rng):
    """Forward and backward of both, with a random dy."""
    tx = torch.tensor(x, requires_grad=True)
    ty = twin(tx)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    close(y, ty)
    layer.zero_grad()
    twin.zero_grad()
    ty.backward(torch.from_numpy(dy))
    close(layer.backward(dy), tx.grad)
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    assert list(gradients) == [name for name, _ in layer.named_parameters()]
    for name, parameter in layer.named_parameters():
        close(parameter.grad, gradients[name])
    buffers = dict(twin.named_buffers())
    for name, buffer in layer.named_buffers():
        close(buffer.data, buffers[name])


@every_case
def test_training_and_evaluation(ours, theirs, shape):
    rng = np.random.default_rng(6)
    layer, twin = twins(ours, theirs, rng)
    for size in (1.0, 5.0):
        compare(layer, twin, size * rng.standard_normal(shape), rng)
    layer.eval(keep_backward=True)
    twin.eval()
    compare(layer, twin, rng.standard_normal(shape), rng)


@every_case
def test_state_goes_to_torch_and_back(ours, theirs, shape):
    rng = np.random.default_rng(8)
    layer, _ = twins(ours, theirs, rng)
    other = theirs().double()
    other.load_state_dict(layer.to_torch(), strict=True)
    x = rng.standard_normal(shape)
    close(layer.eval()(x), other.eval()(torch.from_numpy(x)))
    again = ours().to(dtype="float64").from_torch(other.state_dict())
    for name, array in again.state_dict().items():
        np.testing.assert_array_equal(array, layer.state_dict()[name])


@pytest.mark.parametrize(
    "name", ["ReLU", "LeakyReLU", "ELU", "Sigmoid", "Tanh", "SiLU", "Softplus", "GELU"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_over_the_whole_range(name, dtype):
    x = np.concatenate([np.linspace(-30, 30, 6001), [-1e4, -100, -0.0, 100, 1e4]]).astype(dtype)
    tx = torch.tensor(x, requires_grad=True)
    layer, dy = getattr(nn, name)(), np.random.default_rng(0).standard_normal(x.shape)
    y, ty = layer(x), getattr(tnn, name)()(tx)
    ty.backward(torch.from_numpy(dy.astype(dtype)))
    dx = layer.backward(dy.astype(dtype))
    error = 1e-6 if dtype == "float32" else 1e-14
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=error, atol=3 * error)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=error, atol=3 * error)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 3, 3, 2)])
def test_fans_and_gains(shape):
    """PyTorch counts (out, in, kh, kw); ours is (out, kh, kw, in)."""
    tensor = torch.empty(shape if len(shape) == 2 else (shape[0], shape[3], *shape[1:3]))
    assert nn.init.fans(shape) == tnn.init._calculate_fan_in_and_fan_out(tensor)
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.gain(name) == pytest.approx(tnn.init.calculate_gain(name))
