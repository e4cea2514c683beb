"""Every loss against PyTorch in float64: value and gradient."""

import itertools

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")

SHAPES = [(1, 1), (1, 7), (5, 2), (128, 10), (3, 4, 6), (2, 3, 2, 5)]
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def agree(ours, theirs, x, y, rng, torch_axis=None):
    """Compare value and gradient; ``torch_axis`` is where PyTorch wants our last axis."""
    leaf = torch.tensor(x, requires_grad=True)
    moved = leaf if torch_axis is None else leaf.movedim(-1, torch_axis)
    expected = theirs(moved, torch.tensor(y))
    dloss = rng.standard_normal(tuple(expected.shape))
    expected.backward(torch.tensor(dloss, dtype=expected.dtype))
    np.testing.assert_allclose(ours(x, y), expected.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(ours.backward(dloss), leaf.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy(shape, reduction):
    for settings in itertools.product([False, True], [None, -100, 0], [0.0, 0.13, 1.0]):
        compare_cross_entropy(shape, *settings, reduction)


def compare_cross_entropy(shape, weighted, ignored, smoothing, reduction):
    rng = np.random.default_rng(5)
    classes = shape[-1]
    x = 3 * rng.standard_normal(shape)
    y = rng.integers(0, classes, shape[:-1])
    if ignored == classes - 1:
        ignored = None  # or nothing would be left
    if ignored is not None:
        y[rng.random(y.shape) < 0.3] = ignored
        y.flat[0] = classes - 1
    weight = rng.random(classes) + 0.1 if weighted else None
    settings = {"reduction": reduction, "label_smoothing": smoothing}
    if ignored is not None:
        settings["ignore_index"] = ignored
    ours = nn.CrossEntropyLoss(weight, **settings)
    theirs = torch.nn.CrossEntropyLoss(torch.tensor(weight) if weighted else None, **settings)
    agree(ours, theirs, x, y, rng, torch_axis=1)


def test_cross_entropy_of_huge_logits_in_float32():
    rng = np.random.default_rng(6)
    x = (1e4 * rng.standard_normal((40, 9))).astype("float32")
    y = rng.integers(0, 9, 40)
    ours, leaf = nn.CrossEntropyLoss(), torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(y))
    expected.backward()
    np.testing.assert_allclose(ours(x, y), expected.item(), rtol=1e-6)
    np.testing.assert_allclose(ours.backward(), leaf.grad.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weights", ["none", "one", "each"])
def test_binary_cross_entropy(scale, reduction, weights):
    for shape in [(4,), *SHAPES]:
        compare_binary_cross_entropy(shape, scale, reduction, weights)


def compare_binary_cross_entropy(shape, scale, reduction, weights):
    rng = np.random.default_rng(7)
    x, y = scale * rng.standard_normal(shape), rng.random(shape)
    w = {"none": None, "one": np.array(2.5), "each": rng.random(shape[-1]) * 3}[weights]
    ours = nn.BCEWithLogitsLoss(pos_weight=w, reduction=reduction)
    theirs = torch.nn.BCEWithLogitsLoss(
        reduction=reduction, pos_weight=None if w is None else torch.tensor(w)
    )
    agree(ours, theirs, x, y, rng)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MSELoss", {}),
        ("L1Loss", {}),
        ("HuberLoss", {}),
        ("HuberLoss", {"delta": 0.3}),
        ("HuberLoss", {"delta": 20.0}),
    ],
)
def test_regression(name, settings, reduction):
    settings = {**settings, "reduction": reduction}
    for shape in [(4,), *SHAPES]:
        rng = np.random.default_rng(8)
        x, y = 2 * rng.standard_normal(shape), rng.standard_normal(shape)
        x.flat[0] = y.flat[0]  # the kink of L1
        agree(getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings), x, y, rng)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "BCEWithLogitsLoss"])
def test_weights_have_pytorchs_names(name):
    w = [1.0, 2.0, 4.0]
    if name == "CrossEntropyLoss":
        ours, theirs = nn.CrossEntropyLoss(w), torch.nn.CrossEntropyLoss(torch.tensor(w))
    else:
        ours = nn.BCEWithLogitsLoss(pos_weight=w)
        theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(w))
    assert list(ours.state_dict()) == list(theirs.state_dict())
