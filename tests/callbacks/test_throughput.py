"""Throughput: counts and times of a training whose clock is ours."""

import pytest

import firstlight as fl
from firstlight.callbacks import throughput
from firstlight.callbacks.throughput import Throughput
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


class Clock:
    """Each training step takes 2 s, each validation batch 100 s."""

    def __init__(self):
        self.now = 5.0

    def perf_counter(self):
        return self.now


class Tick(fl.Callback):
    role = fl.Role.WRITER

    def __init__(self, clock):
        self.clock = clock

    def on_before_optimizer_step(self):
        self.clock.now += 2

    def on_validation_batch_end(self):
        self.clock.now += 100


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    return clock


def rates(trainer):
    names = ("samples_per_second", "ms_per_step")
    return [tuple(r[n] for n in names) for r in trainer.history.records if names[0] in r]


def test_it_keeps_the_laws():
    check_callback(Throughput)


def test_each_log_interval_without_validations(clock, capsys):
    trainer = tiny_trainer([Throughput(), Tick(clock)], max_epochs=3, log_every_n_steps=4)
    assert [r["step"] for r in trainer.history.records if "ms_per_step" in r] == [4, 8]
    assert rates(trainer) == [(2.0, 2000.0)] * 2
    assert capsys.readouterr().out == "throughput: 2 samples/s, 2000.00 ms/step over 9 steps\n"


def test_accumulated_batches_count(clock):
    trainer = tiny_trainer(
        [Throughput(), Tick(clock)], accumulate_grad_batches=2, log_every_n_steps=1
    )
    assert [samples for samples, _ in rates(trainer)] == [4.0, 2.0, 4.0, 2.0]  # 8 and 4 samples


def test_after_a_restart_in_the_middle_of_an_epoch(clock, capsys):
    def fit(steps, resume=None):
        callbacks = [Throughput(), Tick(clock), "model_checkpoint"]
        settings = {"log_every_n_steps": 1, "default_callbacks": False, "name": "t", "seed": 0}
        trainer = fl.Trainer(max_steps=steps, callbacks=callbacks, **settings)
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        return trainer

    fit(2)
    assert rates(fit(5, resume="last")) == [(2.0, 2000.0)] * 5
    assert capsys.readouterr().out.endswith("2000.00 ms/step over 3 steps\n")


def test_a_validation_that_is_broken_off_does_not_count(clock, capsys):
    class Interrupt(fl.Callback):
        def on_validation_batch_end(self, trainer):
            trainer.interrupt.requested = True

    tiny_trainer([Throughput(), Tick(clock), Interrupt()])
    assert capsys.readouterr().out == "throughput: 2 samples/s, 2000.00 ms/step over 3 steps\n"


def test_a_training_without_steps_prints_nothing(capsys):
    tiny_trainer([Throughput()], max_epochs=0)
    assert capsys.readouterr().out == ""
