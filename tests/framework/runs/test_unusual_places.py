"""Runs on odd file systems, under odd clocks, and in folders that go away meanwhile."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.runs import RunFolder, find_run, list_runs
from firstlight.runs.find import latest_run, start_order
from firstlight.support.files import write_atomically, write_exclusively
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools.sweeps import SweepSpec, Trials

POSIX = pytest.mark.skipif(os.name != "posix", reason="of POSIX systems")


class At(fl.Callback):
    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            self.action(trainer)


def fit(*callbacks, resume=None, name="odd", **settings):
    settings = {"max_epochs": 4, "log_every_n_steps": 1, "default_callbacks": False} | settings
    trainer = fl.Trainer(callbacks=[*callbacks, ModelCheckpoint()], name=name, **settings)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


# --- folders and links ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 5, 12])
def test_a_run_that_is_deleted_while_it_trains_is_made_again(step):
    def delete(trainer):
        trainer.checkpointing.writer.close()
        shutil.rmtree(trainer.run.path)

    with pytest.warns(UserWarning, match="was deleted while it trains; it is made again"):
        trainer = fit(At(step, delete))
    run = RunFolder(trainer.run.path)
    assert run.status == "finished"
    assert run.history.records == trainer.history.records
    assert run.history.steps("train_loss_step") == list(range(1, 13))
    assert run.config["trainer"]["max_epochs"] == 4
    assert run.environment["python"]
    assert (run.path / "checkpoints" / "last.safetensors").is_file()
    assert not list(run.path.glob("owner.*"))
    assert fit(resume="last", max_epochs=5).step == 15


def test_a_runs_folder_that_is_no_folder_any_more_is_a_warning():
    def replace(trainer):
        trainer.checkpointing.writer.close()
        shutil.rmtree("runs")
        Path("runs").write_text("a file")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trainer = fit(At(5, replace))
    assert (trainer.status, trainer.step) == ("finished", 12)
    assert any("the end of the run cannot be written" in str(one.message) for one in told)


def test_links_that_lead_nowhere_are_no_checkpoints():
    path = fit(max_steps=4).run.path
    checkpoints = path / "checkpoints"
    (checkpoints / "gone.safetensors").symlink_to("nowhere")
    (checkpoints / "round.safetensors").symlink_to("round.safetensors")
    assert RunFolder(path).checkpoints_there
    (checkpoints / "last.safetensors").rename(checkpoints / "other.safetensors")
    os.utime(checkpoints / "other.safetensors", (4e9, 4e9))  # the newest
    (checkpoints / "last.safetensors").symlink_to("last.safetensors")
    with pytest.warns(UserWarning, match="resuming from .*other.safetensors"):
        assert fit(resume=path).step == 12
    assert not (checkpoints / "last.safetensors").is_symlink()
    for file in checkpoints.glob("*.safetensors"):
        file.unlink()
    (checkpoints / "gone.safetensors").symlink_to("nowhere")
    assert not RunFolder(path).checkpoints_there
    with pytest.raises(FileNotFoundError, match="has a checkpoint; start one"):
        fit(resume="last")


def test_what_cannot_be_looked_at_hides_no_other_run():
    run = fit(max_steps=2).run.path
    (run.parent / "round").symlink_to("round")
    (Path("runs") / "loop").symlink_to("loop")
    (run.parent / "gone").symlink_to("nowhere")
    assert [found.path.name for found in list_runs("runs")] == [run.name]
    assert find_run("odd").path == run.resolve()


# --- file systems ---------------------------------------------------------------------------------


def test_folders_that_cannot_be_synced_are_written(monkeypatch):
    sync = os.fsync

    def refuse(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    assert RunFolder(fit().run.path).status == "finished"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_hard_links_trials_and_runs_have_one_owner_too(monkeypatch, code):
    def refuse(source, target):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    Path("runs/sweep").mkdir(parents=True)
    spec = SweepSpec("sweep", {"lr": [0.1]}, trials=1)
    trials = Trials("runs/sweep", spec)
    assert trials.take().parameters == {"lr": 0.1}
    assert Trials("runs/sweep", spec).take() is None
    assert [trial.parameters for trial in trials.all()] == [{"lr": 0.1}]
    assert RunFolder(fit().run.path).status == "finished"
    assert fit(resume="last", max_epochs=5).step == 15


def test_facts_of_others_in_a_sweep_lead_nowhere_else():
    Path("runs/sweep").mkdir(parents=True)
    trials = Trials("runs/sweep", SweepSpec("sweep", {"lr": [0.1]}, trials=9))
    for facts in ({"run": "../../elsewhere"}, {"run": 3}, {"attempt": "../x"}, {"owner": [1]}):
        number = trials.take(range(9)).number
        trials.note(number, **facts)
        trial = trials.get(number)
        assert (trial.run, trial.resume) == (None, None)
        assert trial.log.parent == Path("runs/sweep/trials")
        assert trial.status in ("deleted", "running", "crashed")
        assert trials.take(set(range(9)) - {number}).number in (number, number + 1)


@POSIX
def test_new_files_have_the_users_permissions_and_the_umask_is_never_touched(monkeypatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda mask: pytest.fail("the umask is every thread's"))
            path = fit(max_steps=4).run.path
            write_exclusively(path / "new", "")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.rglob("*.*")}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o640}, modes
    assert "last.safetensors" in modes


# --- clocks ---------------------------------------------------------------------------------------


def test_ids_are_in_utc_and_counted(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours ahead
    time.tzset()
    try:
        first = fit(max_steps=1).run
        monkeypatch.setenv("TZ", "Etc/GMT+12")
        time.tzset()
        second = fit(max_steps=2).run
    finally:
        monkeypatch.undo()
        time.tzset()
    assert first.id[:19] <= second.id[:19]
    assert [start_order(run.path)[0] for run in (first, second)] == [1, 2]
    hour = time.strftime("%Y-%m-%d_%H", time.gmtime())
    assert second.id[:13] <= hour


def test_the_newest_run_is_the_one_started_last_though_the_clock_was_ahead():
    ahead = fit(max_steps=1).run.path
    ahead = ahead.rename(ahead.with_name("2099-01-31_10-00-00Z_0001_ffff"))
    (Path("runs") / "latest").write_text(f"odd/{ahead.name}\n")
    os.utime(ahead / "config.json", (4e9, 4e9))
    now = fit(max_steps=2).run.path
    assert find_run("odd").path == now.resolve()
    assert [run.path.name for run in list_runs("runs")] == [ahead.name, now.name]
    assert latest_run("runs").name == now.name
    assert fit(resume="last", max_steps=3).run.path == now
    assert fit(name="other", max_steps=1).run.path.name > now.name[:20]
    assert find_run(None).name == "other"
    (Path("runs") / "latest").unlink()
    assert [start_order(run.path)[0] for run in list_runs("runs")] == [1, 2, 3]


def test_runs_of_earlier_versions_are_found_and_older():
    new = fit(max_steps=1).run.path
    for name in ("2098-01-31_10-00-00_1234", "2099-01-31_10-00-00_abcd"):
        shutil.copytree(new, new.with_name(name))
    names = [run.path.name for run in list_runs("runs")]
    assert names == ["2098-01-31_10-00-00_1234", "2099-01-31_10-00-00_abcd", new.name]
    assert find_run("abcd").id == "2099-01-31_10-00-00_abcd"


# --- names in files -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../other", "/", "..", "odd/../../other", "C:\\x", "..\\x", ""])
def test_latest_holds_a_name_and_never_a_way_out(tmp_path, name):
    fit(max_steps=1)
    (tmp_path / "other").mkdir()
    (Path("runs") / "latest").write_text(name + "\n")
    assert latest_run("runs") is None
    assert find_run().name == "odd"


# --- children -------------------------------------------------------------------------------------

FORK = """
import os, signal, sys, time
import firstlight as fl
from firstlight.testing import TinyNet, tiny_data

class Fork(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 3:
            self.child = os.fork()
            if self.child == 0:
                while True:
                    time.sleep(60)
            os.kill(self.child, signal.SIGTERM)
            print(os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1]))
            os.kill(os.getpid(), signal.SIGTERM)  # the training itself stops after the step

trainer = fl.Trainer(max_epochs=4, callbacks=[Fork()], default_callbacks=False)
trainer.fit(TinyNet(), tiny_data())
print(trainer.status, trainer.step, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""

LEAVE = """
import os, sys
import firstlight as fl
from firstlight.testing import TinyNet, tiny_data

class Leave(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 3 and os.fork() == 0:
            sys.exit(3)  # through the training, as whoever forks by hand forgets
        if trainer.step == 3:
            os.wait()

trainer = fl.Trainer(
    max_epochs=4, callbacks=[Leave(), "model_checkpoint"], default_callbacks=False, name="forked"
)
trainer.fit(TinyNet(), tiny_data())
"""


@POSIX
def test_a_child_that_a_callback_forks_can_be_terminated():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(-signal.SIGTERM), "interrupted 3 True"], done.stderr
    assert done.stderr.count("SIGTERM: stopping") == 1


@POSIX
def test_a_child_that_leaves_through_the_training_changes_nothing_in_its_run():
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (run,) = list_runs("runs")
    assert (run.status, run.place["step"]) == ("finished", 12)
    names = sorted(path.name for path in (run.path / "checkpoints").iterdir())
    assert names == ["best.safetensors", "last.safetensors"]


def test_a_write_that_fails_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        write_atomically(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []
