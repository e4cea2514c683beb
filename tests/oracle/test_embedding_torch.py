"""Embedding against PyTorch in float64: forward, dW, state."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(1,), (50,), (4, 6), (2, 3, 5)])
@pytest.mark.parametrize("padding_idx", [None, 0, -2])
@pytest.mark.parametrize("vocabulary", [3, 11, 2000])
def test_embedding(shape, padding_idx, vocabulary):
    rng = np.random.default_rng(9)
    ours = nn.Embedding(vocabulary, 4, padding_idx).to(dtype="float64")
    theirs = torch.nn.Embedding(vocabulary, 4, padding_idx).double()
    ours.from_torch(theirs.state_dict())
    x, dy = rng.integers(0, vocabulary, shape), rng.standard_normal((*shape, 4))
    y = theirs(torch.tensor(x))
    y.backward(torch.tensor(dy))
    np.testing.assert_array_equal(ours(x), y.detach().numpy())
    assert ours.backward(dy) is None
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-10, atol=1e-12)
