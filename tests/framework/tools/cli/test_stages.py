"""The test after a training is part of its run: killed in it, a resume repeats the test alone."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.runs import RunFolder, claims, list_runs
from firstlight.testing import TinyNet, tiny_data

KILLER = '''
import os, signal
from pathlib import Path
import firstlight as fl

class InTest(fl.Callback):
    """Tell of steps, and end the process in its first test."""

    def __init__(self, how: str = "SIGKILL"):
        self.how = how

    def on_train_batch_end(self, trainer):
        print("trained step", trainer.step)

    def on_validation_batch_end(self, stage):
        if stage == "test" and not Path("ended").exists():
            Path("ended").touch()
            os.kill(os.getpid(), getattr(signal, self.how))
'''
FIT = ("fit", "--model.hidden", 8, "--trainer.max_epochs", 2, "--callback", "killer:InTest")


STOPPING = ("--callback", "early_stopping", "--early_stopping.min_delta", 100)
STOPPING += ("--early_stopping.patience", 1, "--trainer.max_epochs", 4)  # stops after two


ENDS = {"SIGKILL": ("crashed", ()), "SIGINT": ("interrupted", ()), "SIGTERM": ("crashed", STOPPING)}


@pytest.mark.parametrize("how", slow_but(ENDS, "SIGKILL"))
def test_ended_in_the_test_a_fit_goes_on_with_the_test(cli, shell, tmp_path, how):
    status, more = ENDS[how]
    (tmp_path / "killer.py").write_text(KILLER)
    command = (*FIT, "--InTest.how", how, *more)
    first = shell(*command, cwd=tmp_path)
    assert first.returncode != 0
    (run,) = list_runs(tmp_path / "runs")
    assert (run.status, run.summary["stage"]) == (status, "test")
    assert "test_acc" not in run.metrics
    assert f"{status} in the test" in cli("runs", "show")[1]

    code, out, err = cli(*command, "--resume", "auto")
    assert code == 0, err
    assert "trained step" in first.stdout
    assert "trained step" not in out  # nothing is trained
    (run,) = list_runs(tmp_path / "runs")
    assert run.status == "finished"
    assert "stage" not in run.summary
    code, _, err = cli(*command, "--runs-dir", "whole")
    sys.modules.pop("killer")
    assert code == 0, err
    (other,) = list_runs(tmp_path / "whole")
    measured = {**run.metrics, "epoch_seconds": other.metrics["epoch_seconds"]}  # by a clock
    assert measured == other.metrics
    assert "test_acc" in run.metrics
    assert run.place["step"] == other.place["step"]


@pytest.fixture
def trainer():
    made = fl.Trainer(
        max_epochs=2, default_callbacks=False, callbacks=[ModelCheckpoint()], name="staged"
    )
    made.fit(TinyNet(), tiny_data())
    return made


def summary(trainer):
    return json.loads((trainer.run.path / "summary.json").read_text())


class Look(fl.Callback):
    def __init__(self, action):
        self.action = action

    def on_validation_start(self, trainer, stage):
        if stage == "test":
            self.action(trainer)


def test_while_a_script_tests_its_run_is_running_and_then_as_before(trainer):
    seen = []
    trainer.callbacks.append(Look(lambda trainer: seen.append(RunFolder(trainer.run.path).status)))
    metrics = trainer.test(trainer.module, tiny_data())
    assert seen == ["running"]
    said = summary(trainer)
    assert (said["status"], said["metrics"]["test_loss"]) == ("finished", metrics["test_loss"])
    assert "stage" not in said
    assert not list(trainer.run.path.glob("owner.*"))


def test_a_test_that_a_script_adds_and_that_fails_leaves_the_run_finished(trainer):
    def fail(trainer):
        raise ArithmeticError("boom")

    trainer.callbacks.append(Look(fail))
    with pytest.raises(ArithmeticError):
        trainer.test(trainer.module, tiny_data())
    assert (summary(trainer)["status"], "stage" in summary(trainer)) == ("finished", False)


def test_a_test_that_belongs_to_the_run_fails_it():
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name="staged")
    trainer.announce("test")
    trainer.fit(TinyNet(), tiny_data())
    assert RunFolder(trainer.run.path).status == "running"  # between training and test

    def fail(trainer):
        raise ArithmeticError("boom")

    trainer.callbacks.append(Look(fail))
    with pytest.raises(ArithmeticError):
        trainer.test(trainer.module, tiny_data())
    said = summary(trainer)
    assert (said["status"], said["error"]) == ("failed", "ArithmeticError: boom")
    assert said["stage"] == "test"


def test_metrics_of_a_run_that_another_process_fills_are_given_and_not_kept(trainer, monkeypatch):
    path = trainer.run.path / "owner.3.json"
    told = json.loads(claims.claim_text(trainer.run.path, "0123"))
    path.write_text(json.dumps(told | {"pid": 1, "process_started": None}))
    monkeypatch.setattr(claims.Claim, "alive", lambda claim, folder: True)
    before = (trainer.run.path / "summary.json").read_bytes()
    with pytest.warns(UserWarning, match="the metrics of the test are not kept .*is being written"):
        assert "test_loss" in trainer.test(trainer.module, tiny_data())
    assert (trainer.run.path / "summary.json").read_bytes() == before


def test_metrics_of_a_run_whose_folder_was_deleted_are_given_and_not_kept(trainer):
    shutil.rmtree(trainer.run.path)
    with pytest.warns(UserWarning, match="the metrics of the test are not kept"):
        assert "test_loss" in trainer.test(trainer.module, tiny_data())
    assert not Path(trainer.run.path).exists()
