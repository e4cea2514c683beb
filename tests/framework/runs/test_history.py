"""History: a dict of lists that knows the best of each metric."""

import pytest

from firstlight.runs.history import History, resolve_mode


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


def test_what_is_not_finite_is_best_only_where_nothing_else_is():
    values = [float("nan"), 0.5, float("-inf"), 0.3]
    records = [{"step": s, "epoch": s, "time": 0.0, "val_loss": v} for s, v in enumerate(values)]
    assert History(records).best("val_loss")["step"] == 3
    assert History(records[1:3]).best("val_loss", "max")["step"] == 1
    assert History(records[:1]).best("val_loss")["step"] == 0
