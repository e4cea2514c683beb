"""CrossEntropyLoss of class probabilities against PyTorch in float64: value and gradient."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(1, 1), (5, 2), (128, 10), (3, 4, 6)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.13, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_probabilities(shape, weighted, smoothing, reduction):
    rng = np.random.default_rng(5)
    x, q = 3 * rng.standard_normal(shape), rng.random(shape)
    q /= q.sum(axis=-1, keepdims=True)
    weight = rng.random(shape[-1]) + 0.1 if weighted else None
    settings = {"reduction": reduction, "label_smoothing": smoothing}
    ours = nn.CrossEntropyLoss(weight, **settings)
    theirs = torch.nn.CrossEntropyLoss(torch.tensor(weight) if weighted else None, **settings)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf.movedim(-1, 1), torch.tensor(q).movedim(-1, 1))
    dloss = rng.standard_normal(tuple(expected.shape))
    expected.backward(torch.tensor(dloss, dtype=expected.dtype))
    np.testing.assert_allclose(ours(x, q), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ours.backward(dloss), leaf.grad.numpy(), rtol=1e-10, atol=1e-12)
