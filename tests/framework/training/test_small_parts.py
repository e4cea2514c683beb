"""History, limits and backends."""

import numpy as np
import pytest

from firstlight.runs.history import History, resolve_mode
from firstlight.support import backend
from firstlight.support.arguments import batch_limit, parse_duration


def history():
    return History(
        [
            {"step": 5, "epoch": 1, "time": 1.0, "val_acc": 0.5, "val_loss": 2.0},
            {"step": 7, "epoch": 2, "time": 1.5, "train_loss_step": 0.1},
            {"step": 10, "epoch": 2, "time": 2.0, "val_acc": 0.7, "val_loss": 3.0},
        ]
    )


def test_history_reads_like_a_dict_of_lists():
    found = history()
    assert found["val_acc"] == [0.5, 0.7]
    assert dict(found) == {"val_acc": [0.5, 0.7], "val_loss": [2.0, 3.0], "train_loss_step": [0.1]}
    assert "val_acc" in found
    assert "test_acc" not in found
    assert found.last()["val_loss"] == 3.0


def test_best_knows_that_accuracy_rises():
    assert history().best("val_acc")["step"] == 10
    assert history().best("val_loss")["step"] == 5
    assert history().best("val_loss", mode="max")["step"] == 10
    assert resolve_mode("top5_accuracy") == "max"
    assert resolve_mode("train_acc_step") == "max"
    with pytest.raises(ValueError, match='expected "auto", "min" or "max", got \'up\''):
        resolve_mode("val_loss", "up")


def test_history_names_what_there_is():
    with pytest.raises(KeyError, match="nothing was logged as 'loss'; there are: val_acc"):
        history()["loss"]


@pytest.mark.parametrize(
    ("limit", "used"), [(None, 10), (3, 3), (30, 10), (0.25, 2), (1.0, 10), (0, 0), (0.01, 1)]
)
def test_batch_limit(limit, used):
    assert batch_limit("limit", limit, 10) == used


@pytest.mark.parametrize(
    ("text", "seconds"), [(90, 90), ("01:30", 90), ("1:00:00", 3600), ("1:00:00:00", 86400)]
)
def test_durations(text, seconds):
    assert parse_duration("max_time", text) == seconds


def test_to_host_keeps_numpy_arrays():
    array = np.ones(3)
    assert backend.to_host(array) is array
    assert backend.to_device(array, "cpu") is array


@pytest.mark.parametrize("name", ["cuda:x", "cuda:", "cpu:1", "", "tpu"])
def test_devices_by_other_names(name):
    with pytest.raises(ValueError, match='device: expected "cpu", "cuda", "cuda:N" or "auto"'):
        backend.resolve_device(name)


def test_what_is_not_finite_is_best_only_where_nothing_else_is():
    values = [float("nan"), 0.5, float("-inf"), 0.3]
    records = [{"step": s, "epoch": s, "time": 0.0, "val_loss": v} for s, v in enumerate(values)]
    assert History(records).best("val_loss")["step"] == 3
    assert History(records[1:3]).best("val_loss", "max")["step"] == 1
    assert History(records[:1]).best("val_loss")["step"] == 0
