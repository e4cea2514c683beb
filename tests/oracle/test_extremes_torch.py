"""Activations, pooling and Upsample at the ends of the number range, against PyTorch.

Where PyTorch's formula gives NaN but the function has a limit, ours may be the limit.
"""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")
tnn = torch.nn

LARGEST = {"float32": 3e38, "float64": 1e308}
ACTIVATIONS = [
    ("ReLU", {}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.0}),
    ("LeakyReLU", {"negative_slope": 2.0}),
    ("LeakyReLU", {"negative_slope": -0.5}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("ELU", {"alpha": -0.5}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("SiLU", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 3.0, "threshold": 2.0}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
]


@pytest.fixture(autouse=True)
def _quiet():
    """Keep NumPy's warnings of inf - inf and of overflows to itself."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def agree(ours, theirs, error, x=np.inf):
    """Compare where PyTorch has a number: no NaN, nor an infinity of a finite x.

    The vectorized GELU of PyTorch 2.13 computes x (1 + erf) / 2, which overflows at 3e38.
    """
    theirs = theirs.detach().numpy()
    known = ~np.isnan(theirs) & ~(np.isinf(theirs) & np.isfinite(x))
    np.testing.assert_allclose(ours[known], theirs[known], rtol=error, atol=3 * error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
def test_activations(name, options, dtype, form):
    most, error = LARGEST[dtype], 1e-6 if dtype == "float32" else 1e-13
    right = [0.0, 1e-30, 1.0, 5.0, 9.0, 20.0, 100.0, 1e4, 1e20, most, np.inf]
    x = np.array([-value for value in right] + right, dtype)
    layer, tx = getattr(nn, name)(**options), torch.tensor(x, requires_grad=True)
    y, ty = layer(form.there(x)), getattr(tnn, name)(**options)(tx)
    agree(form.here(y), ty, error, x)
    ty.backward(torch.ones_like(ty))
    dx = layer.backward(form.there(np.ones_like(x)))
    agree(form.here(dx), tx.grad, error)
    if name == "GELU":  # PyTorch's slope is NaN at both ends
        np.testing.assert_allclose(form.here(dx)[[len(right) - 1, -1]], [0, 1], atol=1e-15)


@pytest.mark.parametrize("dy", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU"])
def test_gradients_of_inf_and_nan_go_where_pytorchs_go(name, dy, form):
    x = np.array([-np.inf, -1, -0.0, 0, 1, np.inf, np.nan], "float32")
    layer, tx = getattr(nn, name)(), torch.tensor(x, requires_grad=True)
    layer(form.there(x))
    getattr(tnn, name)()(tx).backward(torch.full((7,), dy))
    dx = layer.backward(form.there(np.full_like(x, dy)))
    np.testing.assert_array_equal(form.here(dx), tx.grad.numpy())


@pytest.mark.parametrize("dy", [1.0, np.inf])
@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": 2, "padding": 1}])
def test_pooling_of_inf_and_nan(options, dy, form):
    x = np.random.default_rng(0).standard_normal((1, 6, 6, 3)).astype("float32")
    x[0, 1, 1], x[0, 4, 0], x[0, 4, 1], x[0, 3, 5] = np.inf, np.nan, np.nan, -np.inf
    layer, tx = nn.MaxPool2d(3, **options), torch.tensor(x.transpose(0, 3, 1, 2))
    ty = tnn.MaxPool2d(3, **options)(tx.requires_grad_())
    ty.backward(torch.full_like(ty, dy))
    np.testing.assert_array_equal(form.here(layer(form.there(x))), ty.detach().permute(0, 2, 3, 1))
    dx = layer.backward(form.there(np.full(ty.permute(0, 2, 3, 1).shape, dy, "float32")))
    np.testing.assert_array_equal(form.here(dx), tx.grad.permute(0, 2, 3, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2},
        {"scale_factor": 1.5},
        {"size": (3, 2)},
        {"scale_factor": 2, "mode": "bilinear"},
        {"size": (4, 9), "mode": "bilinear", "align_corners": True},
    ],
    ids=str,
)
def test_a_bad_pixel_stays_in_its_place(options, bad, form):
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 2)).astype("float32")
    x[0, 2, 3, 1] = bad
    layer, tx = nn.Upsample(**options), torch.tensor(x.transpose(0, 3, 1, 2))
    ty = tnn.Upsample(**options)(tx.requires_grad_())
    y = layer(form.there(x))
    agree(form.here(y), ty.permute(0, 2, 3, 1), 1e-6)
    assert (~np.isfinite(form.here(y))).sum() <= (~torch.isfinite(ty)).sum()
    dy = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
    dy[1, 0, 0, 0] = bad
    ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    dx = layer.backward(form.there(dy))
    agree(form.here(dx), tx.grad.permute(0, 2, 3, 1), 1e-5)
    assert (~np.isfinite(form.here(dx))).sum() <= (~torch.isfinite(tx.grad)).sum()


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("scale", [1.1, 2.3, 0.7, 1.3, 1 / 3, 2, 3.0])
def test_scales_round_as_pytorchs(scale, mode):
    for size in range(1 if scale >= 1 else 3, 30):
        x = np.random.default_rng(size).standard_normal((1, size, 3, 1)).astype("float32")
        options = {"scale_factor": (scale, 1.0), "mode": mode}
        theirs = tnn.Upsample(**options)(torch.tensor(x.transpose(0, 3, 1, 2)))
        y = nn.Upsample(**options)(x)
        np.testing.assert_allclose(y, theirs.permute(0, 2, 3, 1), rtol=1e-5, atol=2e-5)
