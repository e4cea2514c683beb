"""Layers of signals against PyTorch in float64: (N, C, L) there is (N, L, C) here."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
tnn = torch.nn


def conv_arguments(rng):
    groups = int(rng.choice([1, 1, 2, 3]))
    arguments = {
        "in_channels": groups * int(rng.integers(1, 4)),
        "out_channels": groups * int(rng.integers(1, 4)),
        "kernel_size": int(rng.integers(1, 5)),
        "stride": int(rng.integers(1, 4)),
        "padding": int(rng.integers(0, 4)),
        "dilation": int(rng.integers(1, 4)),
        "groups": groups,
        "bias": bool(rng.random() < 0.7),
    }
    if rng.random() < 0.3:
        arguments |= {"stride": 1, "padding": str(rng.choice(["same", "valid"]))}
    return arguments


def transpose_arguments(rng):
    arguments = conv_arguments(rng) | {"padding": int(rng.integers(0, 2))}
    most = max(arguments["stride"], arguments["dilation"])
    return arguments | {"output_padding": int(rng.integers(0, most))}


def pool_arguments(rng):
    kernel = int(rng.integers(1, 5))
    return {
        "kernel_size": kernel,
        "stride": None if rng.random() < 0.5 else int(rng.integers(1, 4)),
        "padding": int(rng.integers(0, kernel // 2 + 1)),
        "ceil_mode": bool(rng.random() < 0.5),
    }


ARGUMENTS = {
    "Conv1d": conv_arguments,
    "ConvTranspose1d": transpose_arguments,
    "MaxPool1d": lambda rng: pool_arguments(rng) | {"dilation": int(rng.integers(1, 3))},
    "AvgPool1d": lambda rng: pool_arguments(rng) | {"count_include_pad": bool(rng.random() < 0.5)},
    "AdaptiveAvgPool1d": lambda rng: {"output_size": int(rng.integers(1, 15))},
}


def close(left, right):
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)


def swapped(tensor):
    return tensor.detach().numpy().swapaxes(1, 2)


def compare(layer, twin, x, rng):
    """Forward and backward of both, with a random dy; and the gradients in PyTorch's layout."""
    layer.from_torch(twin.state_dict())
    tx = torch.tensor(x.swapaxes(1, 2), requires_grad=True)
    ty, y = twin(tx), layer(x)
    close(y, swapped(ty))
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.tensor(dy.swapaxes(1, 2)))
    close(layer.backward(dy), swapped(tx.grad))
    state = layer.to_torch()
    assert state.keys() == twin.state_dict().keys()
    for name, tensor in twin.state_dict().items():
        torch.testing.assert_close(state[name], tensor)
    for parameter in layer.parameters():
        parameter.data[...] = parameter.grad
    state = layer.to_torch()
    for name, parameter in twin.named_parameters():
        close(state[name], parameter.grad)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ARGUMENTS)
def test_random_configurations(name, seed):
    rng = np.random.default_rng(seed)
    arguments = ARGUMENTS[name](rng)
    layer = getattr(nn, name)(**arguments).to(dtype="float64")
    twin = getattr(tnn, name)(**arguments).double()
    shape = (2, int(rng.integers(12, 20)), arguments.get("in_channels", 3))
    compare(layer, twin, rng.standard_normal(shape), rng)


@pytest.mark.parametrize("name", ["Conv1d", "ConvTranspose1d"])
def test_initial_values_have_the_same_range(name):
    torch.manual_seed(0)
    layer, twin = (getattr(kind, name)(6, 200, 3, groups=2) for kind in (nn, tnn))
    for ours, theirs in zip(layer.parameters(), twin.parameters(), strict=True):
        assert ours.data.std() == pytest.approx(float(theirs.detach().std()), rel=0.1)
