"""Runs in Aim: its folder ``.aim``, read again with its own classes."""

from pathlib import Path

import pytest
from aim import Repo, Run
from firstlight_aim import Aim

import firstlight as fl
from firstlight import plugins
from firstlight.runs import find_run
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def only_run():
    """Return the run in ``.aim``; ``aim up`` makes the index itself."""
    Repo.from_path(".")._recreate_index()
    (path,) = Path(".aim/meta/chunks").iterdir()
    return Run(path.name, repo=".", read_only=True)


def curve(run, name):
    (found,) = (metric for metric in run.metrics() if metric.name == name)
    steps, (values, *_) = found.data.numpy()
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def check_curves(run, history):
    for name in ("train_loss_step", "val_loss"):
        expected = list(zip(history.steps(name), history[name], strict=True))
        assert curve(run, name) == expected
    assert curve(run, "best.val_loss")[-1][1] == history.best("val_loss")["val_loss"]


def test_firstlight_finds_the_plugin():
    assert plugins.registry("callback").get("aim") is Aim


def test_it_keeps_the_laws():
    check_callback(Aim)


def test_a_training_and_its_test_are_one_run():
    trainer = tiny_trainer([Aim("digits")], runs_dir="runs")
    metrics = trainer.test(trainer.module, tiny_data())
    run = only_run()
    assert (run.name, run.experiment) == (Aim.title(trainer.run), "digits")
    assert (run["status"], run["hparams"]["optimizer"]["name"]) == ("finished", "Adam")
    check_curves(run, trainer.history)
    assert curve(run, "test_loss") == [(6, metrics["test_loss"])]


def test_a_resumed_training_continues_its_run():
    callbacks = [Aim(), "model_checkpoint"]
    tiny_trainer(callbacks, runs_dir="runs", max_steps=3)
    trainer = fl.Trainer(
        max_steps=6, callbacks=callbacks, default_callbacks=False, log_every_n_steps=1
    )
    trainer.fit(TinyNet(), tiny_data(), resume="last")
    run = only_run()
    assert run.tags == ["resumed"]
    check_curves(run, trainer.history)


def test_a_run_is_exported():
    trainer = tiny_trainer(runs_dir="runs")
    id = Aim().export(find_run())
    run = only_run()
    assert run.hash == id
    check_curves(run, trainer.history)


def test_settings_may_have_a_name_that_begins_like_another():
    trainer = fl.Trainer(max_epochs=1, callbacks=[Aim()], default_callbacks=False)
    trainer.config = {"rate": 0.5, "rate.decay": 0.9, "other": {"a": 1}}
    trainer.fit(TinyNet(), tiny_data())
    hparams = only_run()["hparams"]
    assert (hparams["rate"], hparams["rate.decay"], hparams["other"]["a"]) == (0.5, 0.9, 1)
