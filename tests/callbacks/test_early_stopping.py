"""When EarlyStopping stops, and what it says."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import EarlyStopping

NAN = float("nan")


class Scores(fl.Callback):
    """Log given values under a name, one an epoch, before readers look."""

    role = fl.Role.WRITER

    def __init__(self, values, name="error"):
        self.values, self.name = values, name

    def on_train_epoch_end(self, trainer):
        trainer.log({self.name: self.values[trainer.epoch - 1]})


@pytest.fixture
def fit(line, line_data, quiet):
    def run(stopping, *callbacks, val_data=line_data, module=None, **settings):
        settings = {"max_epochs": 6} | settings
        trainer = fl.Trainer(callbacks=[stopping, *callbacks], **quiet, **settings)
        trainer.fit(module or line(), line_data, val_data)
        return trainer

    return run


@pytest.mark.parametrize(
    ("values", "settings", "epochs"),
    [
        ([5, 4, 3, 2, 1, 0], {"patience": 1}, 6),
        ([5, 4, 4, 4, 1, 0], {"patience": 2}, 4),
        ([5, 6, 4, 6, 3, 6], {"patience": 2}, 6),
        ([5, 6, 6, 6, 6, 6], {"patience": 3}, 4),
        ([5, 4.95, 4.89, 4.85, 4.78, 4.75], {"patience": 2, "min_delta": 0.1}, 6),
        ([5, 4.99, 4.98, 4.97, 4.96, 4.95], {"patience": 2, "min_delta": 0.1}, 3),
        ([1, 2, 3, 4, 5, 6], {"patience": 2, "mode": "max"}, 6),
        ([6, 5, 4, 3, 2, 1], {"patience": 2, "mode": "max"}, 3),
        ([NAN] * 6, {"patience": 2}, 2),
        ([5, NAN, float("-inf"), 4, 3, 2], {"patience": 2}, 3),
    ],
)
def test_stops_after_so_many_validations_without_improvement(fit, values, settings, epochs):
    trainer = fit(EarlyStopping("error", **settings), Scores(values))
    assert trainer.epoch == epochs
    assert (trainer.stop_reason is not None) == (epochs < 6)
    assert trainer.status == "finished"


def test_accuracies_are_better_when_higher(fit):
    trainer = fit(EarlyStopping("val_acc", 2), Scores([0.1, 0.2, 0.3, 0.2, 0.1, 0], "val_acc"))
    assert trainer.epoch == 5


def test_the_reason_says_what_when_and_how_good(fit):
    trainer = fit(EarlyStopping("error", patience=3), Scores([0.5, 0.1234, 1, 1, 1, 1]))
    assert trainer.stop_reason == (
        "early stopping: error has not improved for 3 validations (best 0.1234 in epoch 2)"
    )
    trainer = fit(EarlyStopping("error", patience=1), Scores([0.5, NAN]))
    assert trainer.stop_reason == (
        "early stopping: error has not improved for 1 validation (now nan, best 0.5 in epoch 1)"
    )
    trainer = fit(EarlyStopping("error", patience=1), Scores([NAN]))
    assert trainer.stop_reason.endswith("(now nan, never a finite value)")


def test_validations_between_epochs_count(fit, line):
    trainer = fit(
        EarlyStopping(patience=2, min_delta=1e9), val_every="1 steps", module=line(lr=1e-9)
    )
    assert trainer.step == 3
    assert "for 2 validations" in trainer.stop_reason


@pytest.mark.parametrize(
    ("start", "values", "epochs"),
    [
        (0, [1, 2, 3, 4, 5, 6], 3),
        (2, [1, 2, 3, 4, 5, 6], 5),  # the third epoch has the first value
        (2, [1, 9, 3, 2, 1, 0], 6),
        (9, [1, 2, 3, 4, 5, 6], 6),
    ],
)
def test_what_comes_before_start_from_epoch_counts_for_nothing(fit, start, values, epochs):
    stopping = EarlyStopping("error", patience=2, start_from_epoch=start)
    assert fit(stopping, Scores(values)).epoch == epochs
    assert stopping.monitor.epoch is None or stopping.monitor.epoch > start


def test_thresholds_wait_for_start_from_epoch_too(fit):
    stopping = EarlyStopping("error", patience=9, stopping_threshold=2, start_from_epoch=3)
    trainer = fit(stopping, Scores([1, 1, 1, 1, 1, 1]))
    assert (trainer.epoch, trainer.stop_reason) == (
        4,
        "early stopping: error has reached 2 (now 1)",
    )


def test_the_weights_of_an_epoch_before_the_start_are_never_the_best(fit, line):
    seen = []

    class Weights(fl.Callback):
        def on_train_epoch_end(self, module):
            seen.append(module.body.weight.data.copy())

    module = line()
    stopping = EarlyStopping("train_loss", patience=1, start_from_epoch=2, restore_best=True)
    fit(stopping, Weights(), module=module, val_every=2, max_epochs=3)
    assert np.array_equal(module.body.weight.data, seen[2])


def test_a_bad_start_from_epoch():
    with pytest.raises(ValueError, match="EarlyStopping: start_from_epoch: expected 0 or more"):
        EarlyStopping(start_from_epoch=-1)


def test_restore_best_gives_back_the_best_weights(fit, line):
    seen = []

    class Weights(fl.Callback):
        def on_train_epoch_end(self, module):
            seen.append(module.body.weight.data.copy())

    module = line()
    fit(
        EarlyStopping("error", restore_best=True), Scores([3, 1, 2, 2, 2]), Weights(), module=module
    )
    assert len(seen) == 5
    assert np.array_equal(module.body.weight.data, seen[1])
    assert not np.array_equal(module.body.weight.data, seen[4])
    module = line()
    fit(EarlyStopping("error"), Scores([3, 1, 2, 2, 2]), Weights(), module=module)
    assert np.array_equal(module.body.weight.data, seen[-1])


def test_the_state_comes_back(fit):
    stopping = EarlyStopping("error", patience=9)
    fit(stopping, Scores([3, 1, 2, 2, 2, 2]))
    state = stopping.state_dict()
    assert (state["best"], state["epoch"], state["waited"]) == (1, 2, 4)
    restored = EarlyStopping("error", patience=9)
    restored.load_state_dict(state)
    assert restored.waited == 4
    assert restored.state_dict() == state


def test_a_second_fit_starts_anew(fit):
    stopping = EarlyStopping("error", patience=3)
    fit(stopping, Scores([1, 2, 2, 2, 2, 2]))
    assert fit(stopping, Scores([9, 8, 7, 6, 5, 4])).epoch == 6


@pytest.mark.parametrize("settings", [{}, {"val_every": "1 steps"}])
def test_a_missing_monitor_is_an_error_at_the_first_validation(fit, settings):
    stopping = EarlyStopping("val_f1")
    with pytest.raises(ValueError, match="EarlyStopping: monitor='val_f1' was not logged") as error:
        fit(stopping, **settings)
    assert "val_loss" in str(error.value)
    assert "raised by callback EarlyStopping in on_train_epoch_end" in error.value.__notes__


def test_a_missing_monitor_without_validation_data(fit):
    with pytest.raises(
        ValueError, match="monitor='val_loss' will not be logged; validation values"
    ):
        fit(EarlyStopping(), val_data=None)
    with pytest.raises(ValueError, match="monitor='loss' was not logged"):
        fit(EarlyStopping("loss"))
    with pytest.raises(ValueError, match=r"did you mean 'train_loss'\? There are: epoch_sec"):
        fit(EarlyStopping("trainloss", mode="min"))


def test_it_waits_for_a_validation_that_comes_later(fit):
    assert fit(EarlyStopping(), val_every=4).epoch == 6


def test_patience_of_less_than_one_is_an_error():
    with pytest.raises(ValueError, match="patience: expected 1 or more, got 0"):
        EarlyStopping(patience=0)


@pytest.mark.parametrize(
    ("values", "settings", "epochs", "reason"),
    [
        ([5, 3, 2, 1, 0, 0], {"stopping_threshold": 2.0}, 3, "has reached 2 (now 2)"),
        ([5, 3, 9, 1, 0, 0], {"divergence_threshold": 8.0}, 3, "has gone beyond 8 (now 9)"),
        ([5, 3, NAN, 1, 0, 0], {"divergence_threshold": 8.0}, 3, "has gone beyond 8 (now nan)"),
        ([1, 2, 3, 4], {"mode": "max", "stopping_threshold": 2.5}, 3, "has reached 2.5 (now 3)"),
        ([3, 2, 1, 0], {"mode": "max", "divergence_threshold": 1}, 3, "has gone beyond 1 (now 1)"),
    ],
)
def test_thresholds_stop_at_once(fit, values, settings, epochs, reason):
    trainer = fit(EarlyStopping("error", patience=9, **settings), Scores(values))
    assert trainer.epoch == epochs
    assert trainer.stop_reason == f"early stopping: error {reason}"


def test_thresholds_that_are_not_met_change_nothing(fit):
    stopping = EarlyStopping("error", patience=9, stopping_threshold=0.5, divergence_threshold=7.0)
    trainer = fit(stopping, Scores([5, 6, 4, 3, 2, 1]))
    assert (trainer.epoch, trainer.stop_reason) == (6, None)
