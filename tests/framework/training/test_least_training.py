"""min_epochs and min_steps: what waits for them, and what does not."""

import json

import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.callbacks import NaNGuard


class StopAt(fl.Callback):
    """Request a stop at a step, once."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            trainer.stop("enough")


@pytest.fixture
def fit(line, line_data, quiet):
    """Train with three steps an epoch."""

    def run(*listed, module=None, **settings):
        settings = quiet | {"max_epochs": 6} | settings
        trainer = Trainer(callbacks=list(listed), **settings)
        trainer.fit(module or line(), line_data, line_data)
        return trainer

    return run


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        ({}, 2),
        ({"min_epochs": 0, "min_steps": 0}, 2),
        ({"min_epochs": 1}, 3),
        ({"min_epochs": 3}, 9),
        ({"min_steps": 2}, 2),
        ({"min_steps": 7}, 7),
        ({"min_steps": 7, "min_epochs": 3}, 9),
        ({"min_steps": 11, "min_epochs": 3}, 11),
        ({"min_epochs": 6}, 18),
    ],
)
def test_a_request_waits(fit, settings, step):
    trainer = fit(StopAt(2), **settings)
    assert (trainer.step, trainer.stop_reason) == (step, "enough")
    assert trainer.history.steps("val_loss")[-1] == step


def test_a_request_that_comes_later_does_not_wait(fit):
    assert fit(StopAt(8), min_epochs=2, min_steps=7).step == 8


def test_time_waits(fit):
    trainer = fit(max_time=1e-9, max_epochs=None, min_epochs=2)
    assert trainer.step == 6
    assert fit(max_time=1e-9, max_epochs=None).step == 0


def test_a_signal_and_max_steps_do_not_wait(fit):
    class Interrupts(fl.Callback):
        def on_train_batch_end(self, trainer):
            trainer.interrupt.requested = True

    assert fit(Interrupts(), min_epochs=2).step == 1
    assert fit(max_steps=4, min_epochs=2).step == 4


def test_fast_dev_run_needs_one_batch(fit):
    assert fit(fast_dev_run=True, min_epochs=2, min_steps=9).step == 1


def test_a_guard_that_may_not_stop_gives_up(fit, line):
    def training_step(self, batch):
        output = fl.Module.training_step(self, batch)
        output.dy[...] = float("nan")
        return output

    module = type("Net", (line,), {"training_step": training_step})()
    with pytest.raises(FloatingPointError, match="gave up after 10 skips in a row"):
        fit(NaNGuard(), module=module, max_epochs=None, max_steps=9, min_steps=5)


def test_a_run_keeps_them(fit, tmp_path):
    run = fit(min_epochs=2, runs_dir=tmp_path).run
    config = json.loads((run.path / "config.json").read_text())
    assert (config["trainer"]["min_epochs"], config["trainer"]["min_steps"]) == (2, 0)
