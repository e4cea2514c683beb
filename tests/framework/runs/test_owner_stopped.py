"""A process stopped within a write, or whose claim was deleted, never fills another's run."""

import json
import os
import signal
import subprocess
import sys

import pytest

import firstlight as fl
from firstlight.runs import RunFolder, claims, list_runs, owner
from firstlight.runs.owner import RunTakenOver
from firstlight.testing import TinyNet, tiny_data

CODE = """
import os, signal, sys, time
import firstlight as fl

replace = os.replace

def stopping(source, target):
    "Stop after the look at the owner and before the file takes its place."
    if target.name == sys.argv[2] and trainer.step >= 6:
        print("stopping", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    replace(source, target)

class Waiting(fl.Callback):
    def on_train_batch_end(self, trainer):
        while trainer.step == 5 and not list(trainer.run.path.rglob("last.safetensors")):
            time.sleep(0.001)

os.replace = stopping
trainer = fl.Trainer(
    max_epochs=4, log_every_n_steps=1, name="owned", default_callbacks=False,
    callbacks=[fl.callbacks.ModelCheckpoint(every_n_steps=1), Waiting()],
)
trainer.fit(fl.testing.TinyNet(), fl.testing.tiny_data(), resume=sys.argv[1])
"""


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(sys.platform != "linux", reason="waits until a process has stopped")
@pytest.mark.parametrize("name", ["last.safetensors", "summary.json"])
def test_a_process_stopped_just_before_it_replaces_a_file_replaces_nothing_later(name):
    command = [sys.executable, "-c", CODE, "auto", name]
    stopped = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = stopped.stdout.readline()
    assert said == "stopping\n", stopped.communicate()
    assert os.WIFSTOPPED(os.waitpid(stopped.pid, os.WUNTRACED)[1])
    (run,) = list_runs("runs")
    command = [sys.executable, "-c", CODE, str(run.path), "no file"]
    subprocess.run(command, check=True)
    assert RunFolder(run.path).status == "finished"
    before = content(run.path)
    stopped.send_signal(signal.SIGCONT)
    said = stopped.communicate()[1]
    assert stopped.returncode == 1
    assert f"run {run.path.absolute()} was taken over by another process" in said
    assert "could not be written" not in said
    assert content(run.path) == before


def test_an_owner_that_claims_again_after_its_file_was_deleted_leaves_it_to_another(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    claimed = owner.claim(run)
    claimed.path.unlink()
    claimed.verify()
    assert claimed.gone
    told = json.loads(claims.claim_text(run, "0123456789abcdef"))
    other = run / "owner.9.json"  # claimed between the look and the new claim
    other.write_text(json.dumps(told | {"hostname": "node17", "machine": "node17 boot"}))
    with pytest.raises(RunTakenOver, match="on host node17"):
        claimed.restore()
    assert list(run.glob("owner.*")) == [other]
    with pytest.raises(RunTakenOver, match="on host node17"):
        claimed.verify()
    claimed.release()


class TakenOverInVain(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step != 5:
            return
        trainer.checkpointing.writer.close()
        other = fl.Trainer(default_callbacks=False, name="other")
        with pytest.raises(ValueError, match="names do not match"):
            other.fit(fl.models.MLP(64, 10), fl.datasets.load("digits"), resume=trainer.run.path)
        trainer.run.owner._seen -= 3600  # as after a long stop


def test_a_training_goes_on_after_another_one_took_its_run_over_and_failed():
    trainer = fl.Trainer(
        max_epochs=4,
        log_every_n_steps=1,
        default_callbacks=False,
        callbacks=[fl.callbacks.ModelCheckpoint(every_n_steps=1), TakenOverInVain()],
    )
    with pytest.warns(UserWarning, match="took the run .* over and has ended without training"):
        trainer.fit(TinyNet(), tiny_data())
    assert (trainer.status, trainer.step) == ("finished", 12)
    assert RunFolder(trainer.run.path).history.steps("train_loss_step") == list(range(1, 13))
    assert not list(trainer.run.path.glob("owner.*"))


def test_a_folder_that_is_made_again_while_another_thread_checks_it_is_still_owned(
    tmp_path, monkeypatch
):
    claimed = owner.claim(tmp_path)
    claimed.path.unlink()
    listed = claims.claims

    def restored_meanwhile(folder):
        monkeypatch.undo()
        claimed.restore()
        return listed(folder)

    monkeypatch.setattr(claims, "claims", restored_meanwhile)
    claimed.verify()
    assert (claimed.lost, claimed.gone) == (False, False)
    claimed.release()
