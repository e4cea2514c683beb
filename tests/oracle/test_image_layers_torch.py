"""Resizing and padding of images, against PyTorch in float64."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")

RESIZED = [
    {"scale_factor": 2},
    {"scale_factor": 3},
    {"scale_factor": (2.5, 1.3)},
    {"scale_factor": 0.5},
    {"scale_factor": 0.7},
    {"size": 7},
    {"size": (1, 2)},
    {"size": (5, 4)},
    {"size": (9, 1)},
]
MODES = [
    {"mode": "nearest"},
    {"mode": "bilinear"},
    {"mode": "bilinear", "align_corners": True},
    {"mode": "bilinear", "align_corners": False},
]
CASES = [("Upsample", {**size, **mode}) for size in RESIZED for mode in MODES] + [
    ("ZeroPad2d", {"padding": padding}) for padding in (0, 2, (1, 2, 3, 4), (0, 1, 0, 3))
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 2, 7, 1)])
def test_forward_and_backward(name, options, shape):
    rng = np.random.default_rng(1)
    layer, twin = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    x = rng.standard_normal(shape)
    tx = torch.tensor(x, requires_grad=True)
    ty = twin(tx.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    np.testing.assert_allclose(y, ty.detach(), rtol=1e-10, atol=1e-12)
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(layer.backward(dy), tx.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("old", range(1, 40, 3))
def test_nearest_picks_the_same_pixels_for_many_sizes(old):
    x = np.arange(old, dtype="float64").reshape(1, 1, old, 1)
    tx = torch.from_numpy(x).permute(0, 3, 1, 2)
    for new in range(1, 60):
        theirs = torch.nn.functional.interpolate(tx, size=(1, new)).numpy().ravel()
        np.testing.assert_array_equal(nn.Upsample((1, new))(x).ravel(), theirs)
