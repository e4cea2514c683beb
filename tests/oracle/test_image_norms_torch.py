"""Normalisation of images against PyTorch in float64: (N, C, H, W) there is (N, H, W, C) here."""

import numpy as np
import pytest

from firstlight import nn
from firstlight.support import forms

torch = pytest.importorskip("torch")

OPTIONS = {
    "BatchNorm2d": [
        {},
        {"eps": 0.1, "momentum": 0.3},
        {"affine": False},
        {"track_running_stats": False},
        {"bias": False},
    ],
    "InstanceNorm2d": [
        {},
        {"affine": True, "eps": 0.1},
        {"track_running_stats": True},
        {"affine": True, "track_running_stats": True, "momentum": 0.3},
        {"affine": True, "bias": False},
    ],
    "GroupNorm": [
        {"num_groups": 2},
        {"num_groups": 1, "eps": 0.1},
        {"num_groups": 6, "affine": False},
        {"num_groups": 3, "bias": False},
    ],
}
# N, H, W, C. No single image: there dx of PyTorch 2.13's InstanceNorm2d, given a permuted tensor,
# is not what its own autograd finds through the formula.
SHAPES = [(2, 3, 4, 6), (5, 1, 3, 6), (3, 7, 1, 6)]


every_case = pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        pytest.param(name, options, shape, id=f"{name} {options} {shape}")
        for name, all_options in OPTIONS.items()
        for options in all_options
        for shape in SHAPES
    ],
)


def twins(name, options, channels, rng):
    """Our layer and PyTorch's, with the same random parameters and buffers."""
    arguments = {"num_channels" if name == "GroupNorm" else "num_features": channels, **options}
    layer = getattr(nn, name)(**arguments).to(dtype="float64")
    twin = getattr(torch.nn, name)(**arguments).double()
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
    ty = twin(tx.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y, dy = layer(x), rng.standard_normal(x.shape)
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
def test_training_several_batches_then_evaluation(name, options, shape):
    rng = np.random.default_rng(6)
    layer, twin = twins(name, options, shape[-1], rng)
    for size in (1.0, 5.0, 0.1):
        compare(layer, twin, size + size * rng.standard_normal(shape), rng)
    layer.eval(keep_backward=True)
    twin.eval()
    compare(layer, twin, rng.standard_normal(shape), rng)


def test_float32_of_a_training_size():
    """Compared with PyTorch in float64, for its own float32 is ten times less accurate.

    NumPy adds the rows of the lesson's sums one after the other, PyTorch's float32 in blocks.
    """
    error, of_sums = (2e-6, 1e-3) if forms.has_fast() else (5e-5, 5e-3)
    rng = np.random.default_rng(7)
    layer, twin = nn.BatchNorm2d(32), torch.nn.BatchNorm2d(32).double()
    x = (3 + 2 * rng.standard_normal((64, 24, 24, 32))).astype("float32")
    dy = rng.standard_normal(x.shape).astype("float32")
    tx = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    ty = twin(tx.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    ty.backward(torch.from_numpy(dy).double())
    np.testing.assert_allclose(layer(x), ty.detach(), rtol=0, atol=error)
    np.testing.assert_allclose(layer.backward(dy), tx.grad, rtol=0, atol=error)
    np.testing.assert_allclose(layer.weight.grad, twin.weight.grad, rtol=0, atol=of_sums)
    np.testing.assert_allclose(layer.running_var.data, twin.running_var, rtol=error)
