"""Runs in Weights & Biases, offline: its files, read again with ``wandb leet inspect``."""

import json
import subprocess
import sys

import pytest
from firstlight_wandb import Wandb

import firstlight as fl
from firstlight import plugins
from firstlight.runs import find_run
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return the folder of all offline runs; W&B reads ``WANDB_DIR`` once in a process."""
    return tmp_path_factory.mktemp("offline")


@pytest.fixture(autouse=True)
def records(tmp_path, folder, monkeypatch):
    """Work in an empty folder, offline; return a function that reads all records of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(folder))
    before = set(folder.glob("wandb/offline-run-*"))

    def read():
        found = {}
        for run in sorted(set(folder.glob("wandb/offline-run-*")) - before):  # one a process
            command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", run]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            for line in map(json.loads, done.stdout.splitlines()):
                found.setdefault(line["type"], []).append(line[line["type"]])
        return found

    return read


def curve(found, name):
    items = [record["item"] for record in found["history"]]
    return [(item["_step"], item[name]) for item in items if name in item]


def check_curves(found, history):
    for name in ("train_loss_step", "val_loss"):
        expected = list(zip(history.steps(name), history[name], strict=True))
        assert curve(found, name) == expected
    assert curve(found, "best.val_loss")[-1][1] == history.best("val_loss")["val_loss"]


def test_firstlight_finds_the_plugin():
    assert plugins.registry("callback").get("wandb") is Wandb


def test_it_keeps_the_laws():
    check_callback(Wandb)


def test_a_training_and_its_test_are_one_run(records):
    trainer = tiny_trainer([Wandb()], runs_dir="runs")
    metrics = trainer.test(trainer.module, tiny_data())
    found = records()
    assert {run["display_name"] for run in found["run"]} == {Wandb.title(trainer.run)}
    assert len({run["run_id"] for run in found["run"]}) == 1
    assert found["run"][0]["config"]["update"]["optimizer.name"] == "Adam"
    assert found["exit"] == [{"exit_code": 0}] * 2
    check_curves(found, trainer.history)
    assert curve(found, "test_loss") == [(6, metrics["test_loss"])]


def test_a_resumed_training_continues_its_run(records):
    callbacks = [Wandb(), "model_checkpoint"]
    tiny_trainer(callbacks, runs_dir="runs", max_steps=3)
    trainer = fl.Trainer(
        max_steps=6, callbacks=callbacks, default_callbacks=False, log_every_n_steps=1
    )
    trainer.fit(TinyNet(), tiny_data(), resume="last")
    found = records()
    assert len({run["run_id"] for run in found["run"]}) == 1
    assert found["run"][-1]["tags"] == ["resumed"]
    check_curves(found, trainer.history)


def test_a_run_is_exported(records):
    trainer = tiny_trainer(runs_dir="runs")
    id = Wandb().export(find_run())
    found = records()
    assert [run["run_id"] for run in found["run"]] == [id]
    check_curves(found, trainer.history)
