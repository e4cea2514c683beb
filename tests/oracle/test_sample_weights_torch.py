"""Sample weights against PyTorch in float64: loss and gradient of a batch (x, y, w)."""

import numpy as np
import pytest

from firstlight import nn
from firstlight.support.sample_weights import backward, weighted_output

torch = pytest.importorskip("torch")
functional = torch.nn.functional

CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def agree(loss, x, y, w, expected_of):
    leaf = torch.tensor(x, requires_grad=True)
    expected = expected_of(leaf, torch.tensor(y), torch.tensor(w))
    expected.backward()
    output = weighted_output(loss, x, y, w)
    np.testing.assert_allclose(output.loss, expected.item(), **CLOSE)
    np.testing.assert_allclose(backward(loss, output.dloss), leaf.grad.numpy(), **CLOSE)


def test_squares():
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.random(6)

    def expected(x, y, w):
        return functional.mse_loss(x, y, weight=w[:, None].expand(6, 4))

    agree(nn.MSELoss(), x, y, w, expected)


@pytest.mark.parametrize("classes", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("shape", [(7,), (4, 5)])
def test_classes(shape, classes):
    """A class weight of each sample, in PyTorch's own mean, is a sample weight."""
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(*shape, 3)), rng.integers(0, 3, shape), rng.random(shape)
    y.flat[2] = -100
    of_class = None if classes is None else torch.tensor(classes, dtype=torch.float64)

    def expected(x, y, w):
        x, y, w = x.reshape(-1, 3), y.reshape(-1), w.reshape(-1)
        each = functional.cross_entropy(x, y, weight=of_class, reduction="none")
        counts = (y != -100) * (1.0 if of_class is None else of_class[y.clamp(min=0)])
        return (w * each).sum() / (w * counts).sum()

    agree(nn.CrossEntropyLoss(classes), x, y, w, expected)


def test_binary():
    """PyTorch's ``weight`` of this loss does not enter the denominator."""
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=8), rng.integers(0, 2, 8).astype("float64"), rng.random(8)

    def expected(x, y, w):
        return functional.binary_cross_entropy_with_logits(x, y, weight=w) * len(w) / w.sum()

    agree(nn.BCEWithLogitsLoss(), x, y, w, expected)
