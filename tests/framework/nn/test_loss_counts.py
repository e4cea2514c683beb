"""What losses leave out: ignored rows, weights of 0, infinite logits; and what they divide by."""

import numpy as np
import pytest

from firstlight import nn


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_an_ignored_row_may_hold_minus_infinity():
    x = np.array([[-np.inf, 0.0, 1.0], [1.0, 2.0, 3.0]])
    loss = nn.CrossEntropyLoss()
    assert loss(x, np.array([-100, 2])) == pytest.approx(
        nn.CrossEntropyLoss()(x[1:], np.array([2]))
    )
    assert np.isfinite(loss.backward()).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_what_an_ignored_row_holds_does_not_matter(bad, smoothing, dtype):
    x = np.array([[0.0, 1.0, 2.0], [bad, 2.0, bad], [1.0, bad, bad]], dtype)
    loss = nn.CrossEntropyLoss([1.0, 2.0, 3.0], label_smoothing=smoothing)
    alone, dx = loss(x[:1], np.array([2])), loss.backward()
    assert loss(x, np.array([2, -100, -100])) == alone
    np.testing.assert_array_equal(loss.backward(), [*dx, [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_a_row_of_weight_zero_holds_does_not_matter(bad):
    x = np.array([[0.0, 1.0, 2.0], [bad, 2.0, bad]])
    loss = nn.CrossEntropyLoss([1.0, 0.0, 3.0])
    alone, dx = loss(x[:1], np.array([2])), loss.backward()
    assert loss(x, np.array([2, 1])) == alone
    np.testing.assert_array_equal(loss.backward(), [*dx, [0, 0, 0]])


def test_a_masked_class_of_weight_zero_does_not_spoil_label_smoothing():
    x, y = np.array([[-np.inf, 0.5, 1.0], [-np.inf, 3.0, 0.0]]), np.array([1, 2])
    masked = nn.CrossEntropyLoss([0.0, 1.0, 2.0], label_smoothing=0.3)
    huge = nn.CrossEntropyLoss([0.0, 1.0, 2.0], label_smoothing=0.3)
    assert masked(x, y) == pytest.approx(huge(np.maximum(x, -1e3), y))
    np.testing.assert_allclose(masked.backward(), huge.backward(), atol=1e-300)


def test_losses_tell_what_they_divide_by(rng):
    x, y = rng.standard_normal((2, 6, 4)), rng.integers(0, 4, (2, 6))
    y[0] = 3
    y[1, :2] = -100
    w = np.array([1.0, 0.5, 2.0, 0.25])
    rows = np.count_nonzero(y >= 0)
    plain, weighted = nn.CrossEntropyLoss(), nn.CrossEntropyLoss(w)
    assert plain.denominators(x, y) == {"loss": rows, "acc": rows}
    assert weighted.denominators(x, y) == {"loss": w[y[y >= 0]].sum(), "acc": rows}
    soft = np.full((2, 6, 4), 0.25)
    assert weighted.denominators(x, soft) == {"loss": 12, "acc": 12}
    assert nn.BCEWithLogitsLoss(pos_weight=w).denominators(x, soft) == {"loss": 48, "acc": 48}
    for make in (nn.MSELoss, nn.L1Loss, nn.HuberLoss):
        assert make().denominators(x, soft) == {"loss": 48}
        assert make(reduction="sum").denominators(x, soft) == {"loss": None}
    for loss, target in ((plain, y), (weighted, y), (weighted, soft), (nn.MSELoss(), soft)):
        summed = type(loss)(**({} if loss is not weighted else {"weight": w}), reduction="sum")
        divided = summed(x, target) / loss.denominators(x, target)["loss"]
        assert loss(x, target) == pytest.approx(divided, rel=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("labels", [[-100, -100], [2, 2], [-100, 2]])
def test_a_batch_in_which_nothing_counts_is_zero(labels, reduction):
    loss = nn.CrossEntropyLoss([1.0, 1.0, 0.0], reduction=reduction)
    x, y = np.ones((2, 3)), np.array(labels)
    assert loss(x, y) == 0
    assert not loss.backward().any()
    assert loss.metrics(x, y) == {"acc": 0}
    told = loss.denominators(x, y)
    assert told == {"loss": 0 if reduction == "mean" else None, "acc": (y >= 0).sum()}
