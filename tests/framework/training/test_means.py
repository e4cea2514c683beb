"""MeanMetrics: weighting, precision, merging; nothing is fetched before compute."""

import numpy as np
import pytest

from firstlight.distributed.communicator import Communicator
from firstlight.training.means import MeanMetrics, TrainingMeans


class DeviceScalar:
    """Stands for a 0-d GPU array: arithmetic is free, turning it into a float is a transfer."""

    ndim = 0
    transfers = 0

    def __init__(self, value):
        self.value = value

    def __mul__(self, other):
        return DeviceScalar(self.value * other)

    def __radd__(self, other):
        return DeviceScalar(other + self.value)

    def __add__(self, other):
        return DeviceScalar(self.value + other.value)

    def __truediv__(self, other):
        return DeviceScalar(self.value / other)

    def __float__(self):
        DeviceScalar.transfers += 1
        return float(self.value)


def test_batches_count_by_their_samples():
    means = MeanMetrics()
    rng = np.random.default_rng(0)
    losses, weights = rng.normal(size=5), [128, 128, 128, 128, 17]
    for loss, weight in zip(losses, weights, strict=True):
        means.add({"loss": loss}, weight)
    assert means.compute()["loss"] == pytest.approx(np.average(losses, weights=weights))
    assert means.weight == 529


def test_a_value_of_some_batches_is_divided_by_their_weight():
    means = MeanMetrics()
    means.add({"loss": 1.0, "acc": 0.5}, 10)
    means.add({"loss": 4.0}, 30)
    assert means.compute() == {"loss": 3.25, "acc": 0.5}


def test_float32_values_are_summed_in_double_precision():
    means = MeanMetrics()
    means.add({"loss": np.float32(1.0)}, 2**25)
    means.add({"loss": np.asarray(3.0, "float32")}, 1)
    assert means.compute()["loss"] == (2**25 + 3) / (2**25 + 1)


def test_compute_returns_python_floats():
    means = MeanMetrics()
    means.add({"loss": np.float32(0.5), "acc": np.asarray(0.25), "n": 3}, 4)
    assert {type(value) for value in means.compute().values()} == {float}


def test_only_compute_fetches():
    DeviceScalar.transfers = 0
    means, other = MeanMetrics(), MeanMetrics()
    for value in (1.0, 2.0):
        means.add({"loss": DeviceScalar(value)}, 2)
        other.add({"loss": DeviceScalar(value)}, 2)
    means.merge(other)
    assert DeviceScalar.transfers == 0
    assert means.compute() == {"loss": 1.5}
    assert DeviceScalar.transfers == 1


def test_values_added_are_left_alone():
    loss, means = np.asarray(1.5), MeanMetrics()
    means.add({"loss": loss}, 1)
    means.add({"loss": loss}, 1)
    assert loss == 1.5


def test_merge_equals_adding_to_one():
    whole, first, second = MeanMetrics(), MeanMetrics(), MeanMetrics()
    for part, values, weight in (
        (first, {"loss": 1.0}, 3),
        (second, {"loss": 2.0, "acc": 0.5}, 5),
        (second, {"acc": 1.0}, 1),
    ):
        whole.add(values, weight)
        part.add(values, weight)
    first.merge(second)
    assert first.compute() == whole.compute()
    assert first.weight == whole.weight == 9


def test_reset_and_empty():
    means = MeanMetrics()
    assert means.compute() == {}
    means.add({"loss": 1.0}, 1)
    means.reset()
    assert (means.compute(), means.weight) == ({}, 0)


def test_errors_say_what_to_do():
    means = MeanMetrics()
    with pytest.raises(ValueError, match="expected a positive weight, the batch size, got 0"):
        means.add({"loss": 1.0}, 0)
    with pytest.raises(ValueError, match=r"'acc', got an array of shape \(4,\); take its mean"):
        means.add({"acc": np.ones(4)}, 4)


def test_shares_of_ranks_that_are_no_more_are_added_up():
    first, second = MeanMetrics(), MeanMetrics()
    first.add({"loss": 1.0}, 2)
    second.add({"loss": 4.0}, 1)
    empty = MeanMetrics().state_dict()
    shares = [first.state_dict(), second.state_dict()]
    means = TrainingMeans(Communicator())
    means.load_state_dict({"window": empty, "epoch": empty, "shares": shares})
    assert means.of_window() == {"train_loss_step": 2.0}
    assert "shares" not in means.state_dict()
