"""Throughput: counts and times of a training whose clock is ours."""

import json

import pytest
from clocks import Clock, Tick

import firstlight as fl
from firstlight.callbacks import throughput
from firstlight.callbacks.throughput import Throughput
from firstlight.testing import TinyNet, tiny_data, tiny_trainer

pytestmark = pytest.mark.filterwarnings("ignore:Throughput. callback Tick")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(now=5.0)
    monkeypatch.setattr(throughput, "time", clock)
    return clock


def rates(trainer):
    names = ("samples_per_second", "ms_per_step")
    return [tuple(r[n] for n in names) for r in trainer.history.records if names[0] in r]


def test_each_log_interval_without_validations(clock, capsys):
    trainer = tiny_trainer(
        [Throughput(), Tick(clock, validation_batch=100)], max_epochs=3, log_every_n_steps=4
    )
    assert [r["step"] for r in trainer.history.records if "ms_per_step" in r] == [4, 8]
    assert rates(trainer) == [(2.0, 2000.0)] * 2
    first, second = capsys.readouterr().out.splitlines()
    assert first == "throughput: 2 samples/s, 2000.00 ms/step over 9 steps"
    assert second == "time: Tick (clocks) 100.0 %"  # 18 of 18 s and 3 * 2 * 100 s


def test_accumulated_batches_count(clock):
    trainer = tiny_trainer(
        [Throughput(), Tick(clock, validation_batch=100)],
        accumulate_grad_batches=2,
        log_every_n_steps=1,
    )
    assert [samples for samples, _ in rates(trainer)] == [4.0, 2.0, 4.0, 2.0]  # 8 and 4 samples


def test_after_a_restart_in_the_middle_of_an_epoch(clock, capsys):
    def fit(steps, resume=None):
        callbacks = [Throughput(), Tick(clock, validation_batch=100), "model_checkpoint"]
        settings = {"log_every_n_steps": 1, "default_callbacks": False, "name": "t", "seed": 0}
        trainer = fl.Trainer(max_steps=steps, callbacks=callbacks, **settings)
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        return trainer

    fit(2)
    assert rates(fit(5, resume="last")) == [(2.0, 2000.0)] * 5
    assert "2000.00 ms/step over 3 steps\n" in capsys.readouterr().out


def test_a_validation_that_is_broken_off_does_not_count(clock, capsys):
    class Interrupt(fl.Callback):
        def on_validation_batch_end(self, trainer):
            trainer.interrupt.requested = True

    tiny_trainer([Throughput(), Tick(clock, validation_batch=100), Interrupt()])
    assert "throughput: 2 samples/s, 2000.00 ms/step over 3 steps\n" in capsys.readouterr().out


def test_a_training_without_steps_prints_nothing(capsys):
    tiny_trainer([Throughput()], max_epochs=0)
    assert capsys.readouterr().out == ""


class Slow(TinyNet):
    """Forward takes 1 s, backward 3 s, a validation batch 2 s."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def forward(self, x):
        self.clock.now += 1 if self.training else 2
        return super().forward(x)

    def backward(self, dy):
        self.clock.now += 3
        return super().backward(dy)

    def configure_optimizer(self):
        optimizer, clock = super().configure_optimizer(), self.clock
        step = optimizer.step

        def slow_step():
            clock.now += 4
            step()

        optimizer.step = slow_step
        return optimizer


def loader(clock, x, y, seconds):
    class Loader(list):
        def __iter__(self):
            for batch in super().__iter__():
                clock.now += seconds
                yield batch

    return Loader([(x, y)] * 2)


def test_the_share_of_each_part(clock, capsys):
    splits = tiny_data()
    x, y = (array[:4] for array in splits.train.arrays)
    module = Slow(clock)
    trainer = fl.Trainer(
        max_epochs=1,
        callbacks=[Throughput(), Tick(clock, validation_batch=100)],
        default_callbacks=False,
        name="shares",
    )
    with pytest.warns(UserWarning, match="Tick .* takes 84% of the time, 51,000.0 ms each of 4 "):
        trainer.fit(module, loader(clock, x, y, 10), loader(clock, x, y, 0))
    # 2 batches of 10 + 1 + 3 + 4 + 2 (Tick) s, and 2 validation batches of 2 + 100 (Tick) s
    shares = trainer.run.summary["time_shares"]
    wanted = {"Tick": 204, "data": 20, "optimizer": 8, "backward": 6, "validation": 4, "forward": 2}
    total = sum(wanted.values())  # 244
    wanted["Tick (clocks)"] = wanted.pop("Tick")
    for part, seconds in wanted.items():
        assert shares[part] == pytest.approx(seconds / total, abs=1e-4)
    assert list(shares)[0] == "Tick (clocks)"
    assert "time: Tick (clocks) 83.6 %, data 8.2 %, optimizer 3.3 %" in capsys.readouterr().out
    assert json.loads((trainer.run.path / "summary.json").read_text())["time_shares"] == shares
    assert not {"training_step", "backward"} & set(vars(module))
