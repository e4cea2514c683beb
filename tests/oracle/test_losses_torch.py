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
    moved = leaf if torch_axis is None else leaf.movedim(-1, torch_axis).contiguous()
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


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("settings", [*itertools.product([False, True], [None, 0])])
def test_nll(settings, reduction):
    for shape in SHAPES:
        rng = np.random.default_rng(9)
        x = np.log(rng.dirichlet(np.ones(shape[-1]), shape[:-1]))
        y = rng.integers(0, shape[-1], shape[:-1])
        weight = rng.random(shape[-1]) + 0.1 if settings[0] else None
        ignored = {"ignore_index": 0} if settings[1] == 0 and shape[-1] > 1 else {}
        y.flat[0] = shape[-1] - 1
        ours = nn.NLLLoss(weight, reduction=reduction, **ignored)
        weight = None if weight is None else torch.tensor(weight)
        theirs = torch.nn.NLLLoss(weight, reduction=reduction, **ignored)
        agree(ours, theirs, x, y, rng, torch_axis=1)


@pytest.mark.parametrize("reduction", ["mean", "batchmean", "sum", "none"])
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.filterwarnings("ignore:reduction. .mean. divides the total loss")
def test_kl_divergence(log_target, reduction):
    settings = {"reduction": reduction, "log_target": log_target}
    for shape in [(4,), *SHAPES]:
        rng = np.random.default_rng(10)
        x, y = -3 * rng.random(shape), rng.random(shape)
        y.flat[0] = 0
        y = np.log(y + 0.01) if log_target else y
        agree(nn.KLDivLoss(**settings), torch.nn.KLDivLoss(**settings), x, y, rng)


def agree_in_each(ours, theirs, arrays, rng, target=(), where=None):
    """Compare the value, and the gradient of each of several arrays; target goes to ``where``."""
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    place = len(arrays) if where is None else where
    expected = theirs(*leaves[:place], *map(torch.tensor, target), *leaves[place:])
    dloss = rng.standard_normal(tuple(expected.shape))
    expected.backward(torch.tensor(dloss, dtype=expected.dtype))
    found = ours(*arrays[:place], *target, *arrays[place:])
    np.testing.assert_allclose(found, expected.detach().numpy(), **CLOSE)
    for dx, leaf in zip(ours.backward(dloss), leaves, strict=True):
        np.testing.assert_allclose(dx, leaf.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("settings", [{}, {"full": True, "eps": 0.3}])
@pytest.mark.parametrize("is_shared", [False, True])
def test_gaussian_nll(settings, is_shared, reduction):
    settings = {**settings, "reduction": reduction}
    for shape in [(4,), *SHAPES]:
        rng = np.random.default_rng(11)
        x, y = rng.standard_normal(shape), rng.standard_normal(shape)
        var = rng.random((*shape[:-1], 1) if is_shared else shape)
        var.flat[0] = 0  # raised to eps
        ours, theirs = nn.GaussianNLLLoss(**settings), torch.nn.GaussianNLLLoss(**settings)
        agree_in_each(ours, theirs, [x, var], rng, [y], where=1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("settings", [{}, {"margin": 0.3, "p": 1.0, "eps": 1e-3}, {"p": 3.0}])
def test_triplets(settings, reduction):
    settings = {**settings, "reduction": reduction}
    for shape in SHAPES:
        rng = np.random.default_rng(12)
        a, b, c = rng.standard_normal((3, *shape))
        b.flat[: shape[-1]] = a.flat[: shape[-1]]  # an equal pair
        ours, theirs = nn.TripletMarginLoss(**settings), torch.nn.TripletMarginLoss(**settings)
        agree_in_each(ours, theirs, [a, b, c], rng)


def reduced(losses, reduction):
    return losses if reduction == "none" else getattr(losses, reduction)()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_that_pytorch_does_not_have(reduction):
    rng = np.random.default_rng(13)

    def contrastive(a, b, y):
        r = (a - b).norm(dim=-1)
        return reduced((y * r**2 + (1 - y) * (2 - r).clamp(min=0) ** 2) / 2, reduction)

    a, b = rng.standard_normal((2, 30, 2))
    ours, y = nn.ContrastiveLoss(margin=2.0, reduction=reduction), rng.integers(0, 2, 30)
    agree_in_each(ours, contrastive, [a, b], rng, [y])

    def nt_xent(a, b):
        z = torch.nn.functional.normalize(torch.cat([a, b]), dim=-1)
        logits = (z @ z.T / 0.3).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
        views = torch.arange(len(z)).roll(len(a))
        return torch.nn.functional.cross_entropy(logits, views, reduction=reduction)

    for count in (1, 2, 9):
        ours = nn.NTXentLoss(temperature=0.3, reduction=reduction)
        agree_in_each(ours, nt_xent, list(rng.standard_normal((2, count, 5))), rng)

    def dice(x, y):
        p, pixels = torch.sigmoid(x), tuple(range(1, x.ndim - 1))
        both, size = (p * y).sum(pixels), p.sum(pixels) + y.sum(pixels)
        return reduced(1 - (2 * both + 0.5) / (size + 0.5), reduction)

    for shape in SHAPES[4:]:
        x, y = rng.standard_normal(shape), (rng.random(shape) > 0.5) * 1.0
        agree(nn.DiceLoss(smooth=0.5, reduction=reduction), dice, x, y, rng)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "BCEWithLogitsLoss", "NLLLoss"])
def test_weights_have_pytorchs_names(name):
    w = [1.0, 2.0, 4.0]
    if name != "BCEWithLogitsLoss":
        ours, theirs = getattr(nn, name)(w), getattr(torch.nn, name)(torch.tensor(w))
    else:
        ours = nn.BCEWithLogitsLoss(pos_weight=w)
        theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(w))
    assert list(ours.state_dict()) == list(theirs.state_dict())
