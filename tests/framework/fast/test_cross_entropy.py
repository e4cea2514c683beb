"""The blocked form of CrossEntropyLoss: its memory, and rows and classes that do not count."""

import tracemalloc

import numpy as np
import pytest

from firstlight import nn
from firstlight.fast.blocked.cross_entropy import BlockedCrossEntropy
from firstlight.support import forms


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_makes_one_array_of_the_logits_size(smoothing):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((200, 5000), dtype="float32"), rng.integers(0, 5000, 200)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    tracemalloc.start()
    try:
        with forms.only(BlockedCrossEntropy):
            loss(x, y)
            loss.backward()
        assert tracemalloc.get_traced_memory()[1] < 1.1 * x.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, [0.0, 1.0, 2.0]])
@pytest.mark.parametrize("labels", [[1, 2, -100], [-100, -100, -100], [0, 2, 1], "probabilities"])
def test_rows_and_classes_that_do_not_count(smoothing, weight, labels):
    x = np.float32([[-np.inf, 0.5, 1.0], [3e37, 2.0, 0.0], [1.0, 2.0, 5.0]])
    y = np.array(labels) if labels != "probabilities" else np.float32([[0, 0.5, 0.5]] * 3)
    if weight is None:
        x[0, 0] = -1e4
    loss = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)
    with forms.only():
        value, dx = loss(x, y), loss.backward(0.7)
    with forms.only(BlockedCrossEntropy):
        np.testing.assert_allclose(loss(x, y), value, rtol=1e-5)
        np.testing.assert_allclose(loss.backward(0.7), dx, rtol=1e-5, atol=1e-7)
