"""Runs in Trackio: its files on this machine, read again with its own storage class."""

import os
import tempfile

os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()  # Trackio reads it when it is imported

import pytest
from firstlight_trackio import Trackio
from trackio.sqlite_storage import SQLiteStorage

import firstlight as fl
from firstlight import plugins
from firstlight.runs import find_run
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def only_run(project):
    (run,) = SQLiteStorage.get_runs(project)
    return run


def curve(project, name):
    logs = SQLiteStorage.get_logs(project, only_run(project))
    return [(log["step"], log[name]) for log in logs if name in log]


def check_curves(project, history):
    for name in ("train_loss_step", "val_loss"):
        expected = list(zip(history.steps(name), history[name], strict=True))
        assert curve(project, name) == expected
    assert curve(project, "best.val_loss")[-1][1] == history.best("val_loss")["val_loss"]


def config(project):
    return SQLiteStorage.get_run_config(project, only_run(project))


def test_firstlight_finds_the_plugin():
    assert plugins.registry("callback").get("trackio") is Trackio


def test_it_keeps_the_laws():
    check_callback(Trackio)


def test_a_training_and_its_test_are_one_run(capsys):
    trainer = tiny_trainer([Trackio("one")], runs_dir="runs")
    metrics = trainer.test(trainer.module, tiny_data())
    assert only_run("one") == Trackio.title(trainer.run)
    assert config("one")["optimizer.name"] == "Adam"
    check_curves("one", trainer.history)
    assert curve("one", "test_loss") == [(6, metrics["test_loss"])]
    assert "run finished" in capsys.readouterr().out


def test_a_resumed_training_continues_its_run():
    callbacks = [Trackio("resumed"), "model_checkpoint"]
    tiny_trainer(callbacks, runs_dir="runs", max_steps=3)
    trainer = fl.Trainer(
        max_steps=6, callbacks=callbacks, default_callbacks=False, log_every_n_steps=1
    )
    trainer.fit(TinyNet(), tiny_data(), resume="last")
    assert config("resumed")["tags"] == "resumed"
    check_curves("resumed", trainer.history)


def test_a_run_is_exported():
    trainer = tiny_trainer(runs_dir="runs")
    Trackio("exported").export(find_run())
    check_curves("exported", trainer.history)
