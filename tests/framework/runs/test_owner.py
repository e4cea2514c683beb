"""One owner per run: a second process is refused, and one that was replaced stops writing."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.runs import RunFolder, claims, list_runs, owner, processes
from firstlight.runs.owner import RunInUse, RunTakenOver
from firstlight.runs.run_files import read_status
from firstlight.testing import TinyNet, tiny_data

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

CODE = """
import sys, time
from pathlib import Path
import firstlight as fl

class Wait(fl.Callback):
    "Hold the training at a step until a file allows it to go on."
    def on_train_batch_end(self, trainer):
        if trainer.step == 7:
            trainer.checkpointing.writer.close()  # the checkpoint of step 6 is there
            print("waiting", flush=True)
            while not Path("go").exists():
                time.sleep(0.01)

trainer = fl.Trainer(
    max_epochs=4, log_every_n_steps=1, name="owned", default_callbacks=False,
    callbacks=[Wait(), fl.callbacks.ModelCheckpoint(every_n_steps=1)],
)
trainer.fit(fl.testing.TinyNet(), fl.testing.tiny_data(), resume=sys.argv[1])
"""


def start(resume="auto"):
    command = [sys.executable, "-c", CODE, str(resume)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(folder):
    """Return a hash of each file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def end(process, with_signal=None):
    if with_signal is not None:
        process.send_signal(with_signal)
    return process.communicate()[1]


def crashed_run():
    """Leave a run whose process was killed at step 7."""
    process = start()
    assert process.stdout.readline() == "waiting\n"
    end(process, signal.SIGKILL)
    (run,) = list_runs("runs")
    assert run.status == "crashed"
    return run.path.absolute()


def fit(*callbacks, resume=None, **settings):
    settings = {"max_epochs": 4, "log_every_n_steps": 1, "default_callbacks": False} | settings
    trainer = fl.Trainer(name="owned", callbacks=[*callbacks, ModelCheckpoint()], **settings)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


class At(fl.Callback):
    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            self.action(trainer)


def pretend_owner(run, number=9, **changes):
    """Write the file of an owner on another machine."""
    told = json.loads(claims.claim_text(run, "0123456789abcdef")) | {"hostname": "node17"}
    path = run / f"owner.{number}.json"
    path.write_text(json.dumps(told | {"machine": "node17 boot"} | changes))
    return path


def test_of_two_that_resume_at_once_one_goes_on_and_the_other_is_refused():
    path = crashed_run()
    both = [start(), start()]
    while all(process.poll() is None for process in both):
        time.sleep(0.05)
    (refused,) = [process for process in both if process.returncode is not None]
    (going_on,) = [process for process in both if process is not refused]
    said = end(refused)
    assert refused.returncode == 1
    assert f"run {path} is being written by process {going_on.pid} on this machine, since" in said
    assert f"--resume {path}" in said
    assert read_status(path) == "running"
    Path("go").touch()
    assert (end(going_on), going_on.returncode) == ("", 0)
    run = RunFolder(path)
    assert (run.status, run.history.steps("train_loss_step")) == ("finished", list(range(1, 13)))
    assert not list(path.glob("owner.*"))
    assert len(list_runs("runs")) == 1


@LINUX
def test_a_stopped_process_keeps_its_run_until_it_is_taken_over_and_then_writes_nothing():
    stopped = start()
    assert stopped.stdout.readline() == "waiting\n"
    stopped.send_signal(signal.SIGSTOP)
    (run,) = list_runs("runs")
    assert run.status == "running"
    Path("go").touch()
    second = start()
    said = end(second)
    assert second.returncode == 1
    assert f"written by process {stopped.pid} (stopped) on this machine" in said

    third = start(run.path)  # its path takes it over
    assert (end(third), third.returncode) == ("", 0)
    assert RunFolder(run.path).status == "finished"
    before = content(run.path)
    said = end(stopped, signal.SIGCONT)
    assert stopped.returncode == 1
    assert f"run {run.path.absolute()} was taken over by another process" in said
    assert "this training has stopped" in said
    assert content(run.path) == before


def test_a_training_whose_run_is_taken_over_stops_and_leaves_the_folder_alone(recwarn):
    seen = {}

    def take(trainer):
        trainer.checkpointing.writer.close()
        trainer.run.owner.path.unlink()
        pretend_owner(trainer.run.path)
        seen["path"], seen["before"] = trainer.run.path, content(trainer.run.path)
        trainer.run.owner._seen -= 3600  # as after a long stop

    with pytest.raises(RunTakenOver, match=r"taken over by process \d+ on host node17, since"):
        fit(At(5, take))
    assert content(seen["path"]) == seen["before"]


def test_a_checkpoint_that_was_being_written_while_the_run_was_taken_over_is_dropped():
    seen = {}

    def take(trainer):
        trainer.checkpointing.writer.close()
        trainer.run.owner.path.unlink()
        pretend_owner(trainer.run.path)
        seen["path"] = trainer.run.path
        seen["before"] = content(trainer.run.path)
        with pytest.raises(RunTakenOver):
            trainer.save_checkpoint(trainer.run.checkpoints / "last.safetensors")
        assert content(trainer.run.path) == seen["before"]

    with pytest.raises(RunTakenOver):
        fit(At(5, take))
    assert content(seen["path"]) == seen["before"]


def test_an_owner_on_another_machine_that_is_silent_for_a_minute_is_replaced(monkeypatch, capfd):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
    run = fit(max_steps=4).run.path
    path = pretend_owner(run)
    assert fit(resume="last").step == 12
    assert not path.exists()
    assert "was written by process" in capfd.readouterr().err
    assert fit(resume="last").step == 12  # and is free again


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_an_owner_on_another_machine_that_gives_signs_of_life_is_not(monkeypatch, ahead):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.2)
    run = fit(max_steps=4).run.path
    path, over = pretend_owner(run), threading.Event()
    now = time.time() + max(0.0, ahead)  # a clock that was ahead, and is corrected
    os.utime(path, (now, now))

    def beat():
        while not over.wait(0.1):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(RunInUse, match="is being written by process .* on host node17"):
            fit(resume="last")
    finally:
        over.set()
        thread.join()
    assert path.exists()
    assert list(run.glob("owner.*")) == [path]


@LINUX
def test_auto_begins_no_second_run_beside_one_without_a_checkpoint_yet():
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name="owned")
    trainer.fit(TinyNet(), tiny_data())
    run, parent = trainer.run.path, os.getppid()
    here = {"machine": processes.machine(), "pid": parent}
    path = pretend_owner(run, **here, process_started=processes.start_time(parent))
    with pytest.raises(RunInUse, match=f"is being written by process {parent} on this machine"):
        fit(resume="auto")
    assert [found.path.name for found in list_runs("runs")] == [run.name]
    pretend_owner(run, **here, process_started="1")  # dead
    assert fit(resume="auto").run.path != run
    assert not path.exists()


@LINUX
def test_a_number_that_another_process_has_now_is_not_the_owner():
    run = fit(max_steps=4).run.path
    path = pretend_owner(run, machine=processes.machine(), pid=os.getppid(), process_started="1")
    assert claims.claims(run)[0].alive(run) is False
    claimed = owner.claim(run)
    assert not path.exists()
    claimed.release()
    assert not list(run.glob("owner.*"))


def test_a_copy_of_a_running_folder_is_not_owned_by_the_process_of_the_original(monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.02)

    def copy(trainer):
        shutil.copytree(trainer.run.path, trainer.run.path.with_name("copy"))

    original = fit(At(5, copy)).run.path
    copied = original.with_name("copy")
    assert list(copied.glob("owner.*"))
    claimed = owner.claim(copied)  # after the minute, which is short here
    claimed.release()


def test_two_claims_of_one_folder_by_one_process():
    run = fit(max_steps=4).run.path
    claimed = owner.claim(run)
    with pytest.raises(RunInUse, match=f"process {os.getpid()} on this machine"):
        owner.claim(run)
    claimed.verify()
    second = owner.claim(run, take_over=True)
    with pytest.raises(RunTakenOver):
        claimed.verify()
    second.verify()
    second.release()


def test_whoever_came_between_wins(monkeypatch):
    run = fit(max_steps=4).run.path
    listed, claims_of = [], claims.claims

    def stale(folder):  # the first look is from before the other came
        listed.append(folder)
        return [] if len(listed) == 1 else claims_of(folder)

    other = pretend_owner(run, number=3)
    monkeypatch.setattr(claims, "claims", stale)
    with pytest.raises(RunInUse, match="on host node17"):
        owner.claim(run)
    assert list(run.glob("owner.*")) == [other]


def test_a_resume_that_fails_leaves_the_run_free():
    run = fit(max_steps=4).run.path
    other = fl.Trainer(max_epochs=9, default_callbacks=False, name="owned")
    with pytest.raises(ValueError, match="names do not match"):
        other.fit(fl.models.MLP(64, 10), fl.datasets.load("digits"), resume="last")
    assert not list(run.glob("owner.*"))
    (run / "checkpoints" / "last.safetensors").write_bytes(b"damaged")
    (run / "checkpoints" / "best.safetensors").unlink()
    with pytest.raises(ValueError, match="damaged"):
        fit(resume="last")
    assert not list(run.glob("owner.*"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": "a", "pid": "\\u001b[2J"}', "{}"])
def test_an_owners_file_that_cannot_be_read_counts_by_its_heartbeat(monkeypatch, text):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.02)
    run = fit(max_steps=4).run.path
    path = run / "owner.4.json"
    path.write_text(text)
    (found,) = claims.claims(run)
    assert found.alive(run) is None
    assert str(found).isprintable()
    assert fit(resume="last").step == 12
    assert not path.exists()
