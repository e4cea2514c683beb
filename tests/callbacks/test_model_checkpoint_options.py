"""ModelCheckpoint's options: how many, how often, weights only; and what a full disk does."""

import threading

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint


class Score(fl.Callback):
    """Logs a score for each epoch."""

    role = fl.Role.WRITER

    def __init__(self, values):
        self.values = values

    def on_train_epoch_start(self, trainer):
        trainer.log({"score": self.values[trainer.epoch - 1]})


@pytest.fixture
def fit(line, line_data):
    def run(*callbacks, **settings):
        settings = {"max_epochs": 4, "default_callbacks": False} | settings
        trainer = fl.Trainer(callbacks=list(callbacks), **settings)
        trainer.fit(line(), line_data, line_data)
        return trainer

    return run


def files(trainer):
    return sorted(path.name for path in trainer.run.checkpoints.iterdir())


@pytest.mark.parametrize(
    ("top_k", "mode", "kept"),
    [
        (2, "max", ["epoch=002-step=000003", "epoch=004-step=000009"]),
        (2, "min", ["epoch=001-step=000000", "epoch=003-step=000006"]),
        (1, "max", []),
        (-1, "max", [f"epoch={e:03d}-step={3 * (e - 1):06d}" for e in (1, 2, 3, 4)]),
    ],
)
def test_top_k(top_k, mode, kept, fit):
    trainer = fit(Score([0.1, 0.7, 0.4, 0.9]), ModelCheckpoint("score", mode, top_k=top_k))
    names = [f"{name}.safetensors" for name in ("best", *kept, "last")]
    assert files(trainer) == sorted(names)


def test_no_best(fit):
    assert files(fit(ModelCheckpoint(top_k=0))) == ["last.safetensors"]


class Watch(fl.Callback):
    """Notes at which steps a checkpoint is asked for."""

    def __init__(self):
        self.steps = []

    def on_save_checkpoint(self, checkpoint):
        self.steps.append(checkpoint.step)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, [3, 6, 9, 12]),
        ({"every_n_epochs": 2}, [6, 12]),
        ({"every_n_epochs": 3, "every_n_steps": 2}, [2, 4, 6, 8, 9, 10, 12]),
        ({"every_n_epochs": 9, "every_seconds": 1e-9}, list(range(1, 13))),
        ({"every_n_epochs": 9, "every_seconds": 1e9}, [12]),
    ],
)
def test_how_often(options, steps, fit):
    watch = Watch()
    fit(ModelCheckpoint(top_k=0, **options), watch)
    assert watch.steps == steps


def test_weights_only(fit, line, line_data):
    trainer = fit(ModelCheckpoint(save_weights_only=True))
    path = trainer.run.checkpoints / "last.safetensors"
    read = Checkpoint.load(path)
    assert read.optimizer == {}
    np.testing.assert_array_equal(read.model["body.weight"], trainer.module.body.weight.data)
    with pytest.raises(ValueError, match="holds weights only; a training cannot resume from it"):
        fl.Trainer(default_callbacks=False).fit(line(), line_data, resume=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -2}, "top_k: expected -1 or more, got -2"),
        ({"every_n_epochs": 0}, "every_n_epochs: expected 1 or more, got 0"),
        ({"every_n_steps": -1}, "every_n_steps: expected 1 or more, got -1"),
        ({"every_seconds": 0}, "expected every_seconds above 0, got 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ModelCheckpoint(**options)


def test_writing_does_not_hold_up_the_training(fit, monkeypatch):
    """The first write takes as long as fifty steps; only the last ones are waited for."""
    save, written, fifty = Checkpoint.save, [], threading.Event()

    class Counts(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 50:
                fifty.set()

    def slow(checkpoint, path):
        fifty.wait()  # for ever, if the training waits for this
        save(checkpoint, path)
        written.append(checkpoint.step)

    monkeypatch.setattr(Checkpoint, "save", slow)
    trainer = fit(ModelCheckpoint(top_k=0, every_n_steps=1), Counts(), max_epochs=20)
    assert written[-1] == trainer.step == 60
    assert len(written) <= 12  # those in between were overtaken by newer ones
    assert Checkpoint.load(trainer.run.checkpoints / "last.safetensors").step == 60
