"""Baselines: the same arrays as for a network, the same metric for all methods."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsRegressor

from firstlight import DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets import load
from firstlight.tools.baselines import baselines, network_row


def by_name(results):
    return {row.name: row for row in results.rows}


def values_of(x, y, **more):
    return DataSplits((x[:60], y[:60]), test=(x[60:], y[60:]), **more)


def numbers(outputs=1):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    return x, x @ rng.normal(size=(3, outputs)) + 0.3 * rng.normal(size=(100, outputs)) + 50


def test_methods_get_the_scaled_training_samples():
    splits = load("digits")
    found = baselines(splits)
    assert (found.split, found.metric, found.samples, found.fitted) == ("test", "acc", 359, 1258)
    assert [*by_name(found)] == ["majority", "knn", "logistic", "forest"]
    (x, y), (tested, target) = (part[:] for part in (splits.train, splits.test))
    method = LogisticRegression(max_iter=200).fit(x.reshape(len(x), -1), y)
    expected = accuracy_score(target, method.predict(tested.reshape(len(tested), -1)))
    assert by_name(found)["logistic"].value == pytest.approx(expected)
    assert 0.96 < by_name(found)["forest"].value < 0.99


def test_intervals_are_those_of_the_samples():
    row = by_name(baselines(load("digits")))["logistic"]
    width = 2 * 1.96 * np.sqrt(row.value * (1 - row.value) / 359)  # of a normal distribution
    assert row.low < row.value < row.high
    assert row.high - row.low == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regression(outputs):
    x, y = numbers(outputs)
    scale = Scale(mean=[0.0, 0, 0], std=[1.0, 10, 0.1])  # changes who is whose neighbour
    splits = values_of(x, y, transform=scale)
    found = by_name(baselines(splits))
    assert [*found] == ["mean", "knn", "linear", "forest"]
    scaled = x / [1.0, 10, 0.1]
    method = KNeighborsRegressor(5).fit(scaled[:60], y[:60])
    expected = r2_score(y[60:], method.predict(scaled[60:]))
    assert found["knn"].value == pytest.approx(expected, rel=1e-3)
    assert found["mean"].value == pytest.approx(0, abs=0.1)
    assert found["linear"].value > 0.8


def test_classes_without_a_training_sample_have_the_score_0():
    x, y = np.arange(100.0)[:, None], np.arange(100) % 3
    y[:60] = np.arange(60) % 3 % 2 + 1  # mostly 1, never 0
    found = by_name(baselines(values_of(x, y, classes=["a", "b", "c", "d"])))
    assert found["majority"].value == pytest.approx(np.mean(y[60:] == 1))


def test_a_few_samples_have_fewer_neighbours():
    x, y = np.arange(5.0)[:, None], np.array([0, 1, 0, 1, 1])
    found = baselines(DataSplits((x[:3], y[:3]), test=(x[3:], y[3:])))
    assert by_name(found)["knn"].label == "k-NN, k = 3"


def test_the_row_of_a_network():
    splits = load("digits")
    results = baselines(splits, "val")
    scores = np.eye(10)[splits.val[:][1]]
    scores[:18] = np.roll(scores[:18], 1, axis=1)
    row = network_row(splits, scores, "Net", 3.0, results)
    assert (row.name, row.value, row.seconds) == ("network", 0.9, 3.0)
    assert row.low < 0.9 < row.high
    for other in (scores[:5], scores[:, :1], {"a": scores}):
        assert network_row(splits, other, "Net", 3.0, results) is None
    x, y = numbers()
    splits = values_of(x, y)
    row = network_row(splits, splits.test[:][1][:, 0], "Net", 3.0, baselines(splits))
    assert row.value == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: DataSplits((np.zeros((4, 2)),)), "expected data with a label or a number for"),
        (
            lambda: DataSplits((np.zeros((4, 2)), np.zeros((4, 3), int)), classes=["a", "b"]),
            r"expected one label for each sample, got labels of shape \(4, 3\)",
        ),
    ],
)
def test_data_without_one_target_a_sample_are_refused(data, message):
    with pytest.raises(ValueError, match=f"a baseline on data: {message}"):
        baselines(data(), "train")


@pytest.mark.parametrize("logits", [True, False])
def test_targets_of_0_and_1_are_classes(logits):
    x, y = numbers()
    splits = values_of(x, (y > 50).astype("float32"))
    found = baselines(splits)
    assert found.metric == "acc"
    assert by_name(found)["majority"].value == pytest.approx(
        max(np.mean(y[60:] > 50), 0.5), abs=0.2
    )
    right = np.where(y[60:] > 50, 0.9, 0.1 - logits)  # below 0.5, or logits below 0
    for predicted in (right, right[:, 0]):
        assert network_row(splits, predicted, "Net", 1, found, logits=logits).value == 1
    values = values_of(*numbers(2))
    row = network_row(values, numbers(2)[1][60:], "Net", 1, baselines(values), logits=logits)
    assert (row is None) == logits
