"""Timer: accounts of the time, on a clock that is ours."""

import pytest
from clocks import Clock, Tick

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint, Timer, timer
from firstlight.testing import TinyNet, check_callback, tiny_data


@pytest.fixture
def fit(monkeypatch):
    """Train, 3 steps and 2 validation batches an epoch."""

    def fit(made, resume=None, **settings):
        clock = Clock()
        monkeypatch.setattr(timer, "time", clock)
        callbacks = [made, Tick(clock, validation_batch=5), ModelCheckpoint()]
        trainer = fl.Trainer(callbacks=callbacks, default_callbacks=False, name="t", **settings)
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        clock.now += 1000  # after the training nothing counts
        return trainer

    return fit


def test_it_keeps_the_laws():
    check_callback(lambda: Timer(3600))


def test_training_and_validation_apart(fit):
    made = Timer()
    fit(made, max_epochs=2)
    val_batches = len(tiny_data().loader("val"))
    assert made.time_elapsed("train") == 12.0
    assert made.time_elapsed("val") == 2 * 5 * val_batches
    assert made.time_remaining() is None


def test_it_stops_after_the_step_that_uses_the_time_up(fit):
    made = Timer("00:00:03")
    trainer = fit(made, max_epochs=2)
    assert trainer.step == 2
    assert trainer.stop_reason == "timer: the 3 s are used up"
    assert made.time_remaining() < 0


def test_the_time_counts_on_over_a_restart(fit):
    fit(Timer(100), max_steps=2)
    made = Timer(100)
    fit(made, max_steps=3, resume="last")
    assert made.time_elapsed("train") == 6.0
    fit(made, max_steps=1)  # another training starts anew
    assert made.time_elapsed("train") == 2.0


def test_bad_input():
    with pytest.raises(ValueError, match="Timer: duration: expected more than 0 seconds"):
        Timer(0)
    with pytest.raises(ValueError, match='seconds, "HH:MM:SS" or "10 min", got \'soon\''):
        Timer("soon")
    with pytest.raises(ValueError, match='stage: expected "train" or "val", got \'test\''):
        Timer().time_elapsed("test")
