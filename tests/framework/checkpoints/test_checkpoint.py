"""Checkpoints: what is written comes back, and damage is noticed."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import firstlight as fl
from firstlight import Trainer
from firstlight.checkpoints.format import Checkpoint


@pytest.fixture
def trainer(line, line_data):
    trainer = Trainer(max_epochs=2, default_callbacks=False, name="c")
    trainer.fit(line(), line_data)
    trainer.save_checkpoint("c.safetensors")
    return trainer


def test_round_trip(trainer):
    read = Checkpoint.load("c.safetensors")
    for name, array in trainer.module.state_dict().items():
        np.testing.assert_array_equal(read.model[name], array)
    assert (read.step, read.epoch) == (6, 2)
    assert read.rng == json.loads(json.dumps(fl.rng.state_dict())) | {"modules": {}}
    assert read.optimizer["steps"] == 6
    assert read.progress["metrics"] == trainer.metrics
    assert read.progress["history"] == trainer.history.records


def test_strided_arrays_come_back_right(tmp_path):
    array = np.arange(12.0).reshape(3, 4).T[::2]
    Checkpoint({"w": array}).save(tmp_path / "s.safetensors")
    np.testing.assert_array_equal(Checkpoint.load(tmp_path / "s.safetensors").model["w"], array)


def test_extra_of_a_callback(line, line_data):
    class Extra(fl.Callback):
        def on_save_checkpoint(self, checkpoint):
            checkpoint.extra["mine"] = [1, 2]

        def state_dict(self):
            return {"seen": 3}

    trainer = Trainer(max_epochs=1, callbacks=[Extra()], default_callbacks=False)
    trainer.fit(line(), line_data)
    trainer.save_checkpoint("e.safetensors")
    read = Checkpoint.load("e.safetensors")
    assert read.extra == {"mine": [1, 2]}
    assert list(read.callbacks.values()) == [{"seen": 3}]


def test_damage_is_noticed(trainer, tmp_path):
    content = bytearray((tmp_path / "c.safetensors").read_bytes())
    content[-3] ^= 1  # one bit of the last array
    (tmp_path / "bit.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="damaged: its checksum does not match"):
        Checkpoint.load("bit.safetensors")
    (tmp_path / "short.safetensors").write_bytes(content[:-20])
    with pytest.raises(ValueError, match="short.safetensors' is damaged"):
        Checkpoint.load("short.safetensors")


def test_what_is_no_checkpoint(tmp_path):
    save_file({"a": np.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a firstlight checkpoint"):
        Checkpoint.load("other.safetensors")
    with pytest.raises(FileNotFoundError, match="'none.safetensors' does not exist"):
        Checkpoint.load("none.safetensors")


def test_another_format_version(trainer, monkeypatch):
    monkeypatch.setattr("firstlight.checkpoints.format.FORMAT", 2)
    with pytest.raises(ValueError, match="has format 1, this firstlight reads format 2"):
        Checkpoint.load("c.safetensors")


def test_evaluating_with_weights_from_a_file(trainer, line, line_data):
    other = line()
    found = trainer.test(other, line_data, checkpoint="c.safetensors")
    assert found == trainer.test(trainer.module, line_data)
    with pytest.raises(FileNotFoundError, match="best.safetensors' does not exist"):
        trainer.test(other, line_data, checkpoint="best")
    with pytest.raises(ValueError, match=r"body.weight is \(1, 4\) here and \(1, 3\) there"):
        trainer.test(line(width=4), line_data, checkpoint="c.safetensors")


def test_callbacks_hear_of_a_loaded_checkpoint(trainer, line, line_data, quiet):
    class Ear(fl.Callback):
        def on_load_checkpoint(self, checkpoint):
            self.step = checkpoint.step

    ear = Ear()
    Trainer(callbacks=[ear], **quiet).test(line(), line_data, checkpoint="c.safetensors")
    assert ear.step == 6


def test_best_without_a_run(line, line_data, quiet):
    with pytest.raises(FileNotFoundError, match="has kept no run"):
        Trainer(**quiet).test(line(), line_data, checkpoint="best")
