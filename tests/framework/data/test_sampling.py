"""WeightedDataset: probabilities, reproducible draws, and weights that are refused."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.transforms import Scale

X, Y = np.arange(100, dtype="uint8")[:, None], np.array([0] * 80 + [1] * 15 + [2] * 5)


def test_samples_are_drawn_in_proportion_to_their_weights():
    weights = np.zeros(100)
    weights[[3, 50, 99]] = 1, 2, 5
    data = fl.WeightedDataset((X, Y), weights)
    x, _ = data.draw(8000, np.random.default_rng(0))
    places, counts = np.unique(x, return_counts=True)
    assert places.tolist() == [3, 50, 99]
    np.testing.assert_allclose(counts, [1000, 2000, 5000], rtol=0.1)
    assert data[np.array([7])][0].tolist() == [[7]]  # by index nothing changes


def test_classes_are_balanced_in_training_batches_only():
    splits = fl.DataSplits((X, Y), val=(X, Y), transform=Scale(255), batch_size=10)
    plain = Preprocessing.of(splits)
    splits.train = fl.WeightedDataset(splits.train)
    assert Preprocessing.of(splits).differences(plain) == []
    loaders = [splits.loader("train") for _ in range(2)]
    epochs = [np.concatenate([y for _, y in loader]) for loader in loaders for _ in range(3)]
    np.testing.assert_array_equal(epochs[:3], epochs[3:])
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_allclose(np.bincount(np.concatenate(epochs)), 200, atol=40)
    assert np.bincount(np.concatenate([y for _, y in splits.loader("val")])).tolist() == [80, 15, 5]
    assert max(x.max() for x, _ in splits.loader("train")) < 0.4


@pytest.mark.parametrize(
    ("data", "weights", "error", "message"),
    [
        ((X, Y), np.ones(99), ValueError, r"a weight for each of 100 samples, got shape \(99,\)"),
        ((X, Y), -np.ones(100), ValueError, "expected finite weights of 0 or more, not all 0"),
        ((X, Y), np.zeros(100), ValueError, "not all 0"),
        ((X, Y), np.full(100, np.nan), ValueError, "expected finite weights"),
        ((X, Y), "classes", ValueError, "\"balanced\" and class labels .*, got 'classes'"),
        ((X,), "balanced", ValueError, "class labels as the second array"),
        ((X, Y / 2), "balanced", ValueError, "class labels as the second array"),
        ([X, Y], "balanced", TypeError, "expected an ArrayDataset, or a tuple of arrays, got list"),
    ],
)
def test_weights_that_are_refused(data, weights, error, message):
    with pytest.raises(error, match=message):
        fl.WeightedDataset(data, weights)
