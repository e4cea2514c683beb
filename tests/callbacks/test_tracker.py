"""Tracker: what it sends while a training runs, fails, hangs, is killed, is resumed."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import firstlight as fl
from firstlight.callbacks._shared import sender
from firstlight.callbacks._shared.tracked_run import read_sent
from firstlight.callbacks.tracker import Tracker
from firstlight.runs import RunFolder, find_run
from firstlight.runs.run_files import tag
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


class Book(Tracker):
    """Keep what the tracker was told, by the id of the run."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.runs, self.opened, self.closed = {}, [], []

    def open(self, run, id):
        id = id or f"book-{run.id}"
        self.opened.append((id, run.label, self.settings(run), self.tags(run)))
        self.points = self.runs.setdefault(id, [])
        return id

    def write(self, points):
        self.points += points

    def close(self, status):
        self.closed.append(status)


class Failing(Book):
    """Fail to open."""

    def open(self, run, id):
        raise ConnectionError("no server at 127.0.0.1:9")


class Picky(Book):
    """Refuse the points of step 2."""

    def write(self, points):
        if points[0].step == 2:
            raise ValueError("step 2 is not taken")
        super().write(points)


class Hanging(Book):
    """Hang in `open` until the test releases it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.release = threading.Event()

    def open(self, run, id):
        self.release.wait()
        return super().open(run, id)


class AtEachStep(fl.Callback):
    """Call a function after each step, before the trackers get its record."""

    role = fl.Role.WRITER

    def __init__(self, action):
        self.action = action

    def on_train_batch_end(self, trainer):
        self.action(trainer)


def wait_for_thread(tracker):
    """Wait until the tracker's thread has ended, as it does when `open` fails."""
    return AtEachStep(lambda trainer: tracker._sender._thread.join())


def wait_until_written(tracker):
    """Wait until the tracker was given all records so far, so that none share a batch."""

    def wait(trainer):
        while tracker._sender.passed < tracker._count:
            time.sleep(0.001)

    return AtEachStep(wait)


def caught(train):
    """Return what a function returns, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = train()
    return result, [str(one.message) for one in found]


def values(points, name):
    return [(point.step, point.values[name]) for point in points if name in point.values]


def test_it_keeps_the_laws():
    check_callback(Book)


def test_a_training_and_its_test_are_one_run(tmp_path):
    book = Book()
    trainer = tiny_trainer([book], runs_dir=tmp_path)
    (id,) = book.runs
    ((_, label, settings, tags),) = book.opened
    assert id == f"book-{trainer.run.id}"
    assert (label, tags, book.closed) == (f"tinynet/{trainer.run.id}", [], ["finished"])
    assert settings["trainer.max_epochs"] == 2
    assert settings["optimizer.name"] == "Adam"
    history, points = trainer.history, book.runs[id]
    for name in ("train_loss_step", "val_loss", "epoch"):
        assert [value for _, value in values(points, name)][: len(history[name])] == history[name]
    assert values(points, "best.val_loss") == [(6, history.best("val_loss")["val_loss"])]
    started = fl.callbacks.Tracker.started(RunFolder(trainer.run.path))
    times = [started + record["time"] for record in history.records]
    assert [point.time for point in points[:-1]] == times
    metrics = trainer.test(trainer.module, tiny_data())
    assert [one[0] for one in book.opened] == [id, id]
    assert values(points, "test_loss") == [(6, metrics["test_loss"])]
    trainer.test(TinyNet(), tiny_data())  # another module
    assert len(book.opened) == 2


def test_an_announced_test_is_sent_before_the_run_is_closed(tmp_path):
    book = Book()
    trainer = fl.Trainer(max_epochs=1, callbacks=[book], default_callbacks=False, runs_dir=tmp_path)
    trainer.announce("test")
    trainer.fit(TinyNet(), tiny_data())
    assert book.closed == []
    trainer.test(trainer.module, tiny_data())
    assert (len(book.opened), book.closed) == (1, ["finished"])
    ((_, points),) = book.runs.items()
    assert len(values(points, "test_acc")) == 1


def test_without_a_run_nothing_is_sent():
    book = Book()
    tiny_trainer([book])
    assert book.opened == []


def test_settings_are_plain():
    run = RunFolder.__new__(RunFolder)
    run.config = {"name": "x", "model": {"hidden": [4, 2], "act": None, "lr": 0.1}, "t": "a" * 999}
    found = Tracker.settings(run)
    assert found.pop("t") == "a" * 497 + "..."
    assert found == {"model.hidden": "4,2", "model.lr": 0.1}


@pytest.mark.parametrize("wrong", [0, "soon"])
def test_a_wrong_time_is_refused(wrong):
    with pytest.raises(ValueError, match="Book: timeout"):
        Book("firstlight", wrong)


def test_a_tracker_that_fails_stops_no_training(tmp_path):
    alone = tiny_trainer().module.state_dict()
    tracker = Failing()
    trainer, told = caught(
        lambda: tiny_trainer([tracker, wait_for_thread(tracker)], runs_dir=tmp_path)
    )
    begin = "Failing: ConnectionError: no server at 127.0.0.1:9; "
    assert told[0] == begin + "the training continues"
    assert told[1].startswith(f"{begin}8 records of {trainer.run.shown} were not sent")
    assert told[1].endswith("Failing --again")
    assert len(told) == 2
    mine = trainer.module.state_dict()
    assert all(mine[name].tobytes() == alone[name].tobytes() for name in alone)


def test_records_that_are_refused_are_counted(tmp_path):
    tracker = Picky()
    _, told = caught(
        lambda: tiny_trainer([tracker, wait_until_written(tracker)], runs_dir=tmp_path)
    )
    assert "Picky: ValueError: step 2 is not taken; 1 records of" in told[-1]
    (points,) = tracker.runs.values()
    assert [point.step for point in points] == [1, 3, 3, 4, 5, 6, 6, 6]
    assert tracker.closed == ["finished"]


def test_a_tracker_that_hangs_is_waited_for_once(tmp_path):
    tracker = Hanging("firstlight", 0.01)
    _, told = caught(lambda: tiny_trainer([tracker], runs_dir=tmp_path))
    (end,) = told
    assert end.startswith("Hanging: it has not finished within 0.01 s; 8 records of")
    _, told = caught(lambda: tiny_trainer([tracker], runs_dir=tmp_path))
    (start,) = told
    assert start.startswith("Hanging: it still hangs in an earlier run; ")
    stuck = tracker._stuck._thread
    tracker.release.set()
    stuck.join()
    (points,) = tracker.runs.values()
    assert len(points) == 9  # late, but complete
    tracker.timeout = 3600
    tiny_trainer([tracker], runs_dir=tmp_path)
    assert len(tracker.runs) == 2


def test_a_full_queue_drops_records_with_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(sender, "QUEUED", 3)
    tracker = Hanging("firstlight", 0.01)
    _, told = caught(lambda: tiny_trainer([tracker], runs_dir=tmp_path))
    assert told[0] == (
        "Hanging: 3 records wait for it, further ones are lost; the training continues"
    )
    assert len(told) == 2
    stuck = tracker._stuck
    tracker.release.set()
    stuck._thread.join()
    (points,) = tracker.runs.values()
    assert [point.step for point in points] == [1, 2, 3, 6]  # and the best values
    assert stuck.unsent == 5


def train(callbacks, runs_dir, max_steps, resume=None):
    trainer = fl.Trainer(
        max_steps=max_steps,
        log_every_n_steps=1,
        callbacks=[*callbacks, "model_checkpoint"],
        default_callbacks=False,
        runs_dir=runs_dir,
        seed=0,
    )
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


def test_a_resumed_training_continues_the_run(tmp_path):
    first, second = Book(), Book()
    train([first], tmp_path, 6)
    trainer = train([second], tmp_path, 9, "last")
    (id,) = first.runs
    assert list(second.runs) == [id]
    assert second.opened[0][3] == ["resumed"]
    steps = [step for book in (first, second) for step, _ in values(book.runs[id], "lr")]
    assert steps == trainer.history.steps("lr")


def test_a_training_that_goes_back_sends_its_steps_again(tmp_path):
    first, second = Book(), Book()
    run = train([first], tmp_path, 3).run
    last = run.checkpoints / "last.safetensors"
    kept = shutil.copy(last, tmp_path / "kept.safetensors")
    train([first], tmp_path, 6, "last")
    shutil.copy(kept, last)
    train([second], tmp_path, 6, "last")
    ((_, points),) = second.runs.items()
    assert [step for step, _ in values(points, "lr")] == [4, 5, 6, 6]


KILLED = """
import os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
from test_tracker import AtEachStep, Book, train
from firstlight.callbacks import tracker
from firstlight.callbacks._shared import tracked_run

Book.__module__ = {module!r}  # its name in this suite
tracker.KEPT = 0
if {hangs}:
    Book.open = lambda *_: threading.Event().wait()
book = Book()

def kill(trainer):
    if trainer.step == 5:
        while not {hangs} and tracked_run.read_sent(trainer.run.path, book._name).passed < 6:
            time.sleep(0.001)
        while not list(trainer.run.path.glob("checkpoints/last.safetensors")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

train([book, AtEachStep(kill)], "runs", 9)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("hangs", [False, True])
def test_a_killed_training_is_complete_after_resuming(tmp_path, hangs):
    names = {"tests": str(Path(__file__).parent), "module": Book.__module__, "hangs": hangs}
    code = [sys.executable, "-c", KILLED.format_map(names)]
    done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run, book = find_run(runs_dir=tmp_path / "runs"), Book()
    assert run.status == "crashed"
    known = book.id_of(run.path)
    assert known == (None if hangs else f"book-{run.id}")
    trainer = train([book], tmp_path / "runs", 9, "auto")
    ((id, points),) = book.runs.items()
    assert (id, book.opened[0][3]) == (f"book-{run.id}", ["resumed"])
    steps, all_steps = [step for step, _ in values(points, "lr")], trainer.history.steps("lr")
    if hangs:
        assert steps == all_steps
    else:  # the killed process has sent steps 4 and 5, after the checkpoint of step 3
        assert steps == [6, 6, 7, 8, 9, 9]


def test_all_records_count_as_sent_if_the_test_follows_before_the_tracker_is_open(tmp_path):
    book, opening = Book(), threading.Event()
    book.open = lambda run, id: opening.wait() and Book.open(book, run, id)
    trainer = fl.Trainer(max_epochs=1, callbacks=[book], runs_dir=tmp_path, default_callbacks=False)
    trainer.next_stage = "test"
    trainer.fit(TinyNet(), tiny_data())
    threading.Timer(0.1, opening.set).start()
    trainer.test(trainer.module, tiny_data())
    assert read_sent(trainer.run.path, book._name).passed == len(trainer.history.records)


def test_the_title_of_a_run_is_short_and_names_it(tmp_path):
    trainer = tiny_trainer(runs_dir=tmp_path)
    title = Tracker.title(trainer.run)
    assert title == f"tinynet/{trainer.run.id.partition('Z_')[2]}"
    assert find_run(title, tmp_path).path == trainer.run.path.resolve()


def test_export_sends_a_run_once(tmp_path):
    trainer = tiny_trainer(runs_dir=tmp_path)
    trainer.test(trainer.module, tiny_data())
    tag(trainer.run.path, ["baseline"])
    run, book = find_run(runs_dir=tmp_path), Book()
    assert book.export(run) == f"book-{run.id}"
    ((_, points),) = book.runs.items()
    assert book.closed == ["finished"]
    assert book.opened[0][3] == ["baseline"]
    assert [step for step, _ in values(points, "train_loss_step")] == [1, 2, 3, 4, 5, 6]
    assert len(values(points, "test_acc")) == len(values(points, "best.val_loss")) == 1
    assert book.export(run) is None
    assert book.export(run, again=True) == f"book-{run.id}"
    (sent,) = json.loads((run.path / "trackers.json").read_text()).values()
    assert sent == {"id": f"book-{run.id}", "passed": 8, "closed": True}


def test_a_tracker_lacks_what_it_must_have(tmp_path):
    trainer = tiny_trainer(runs_dir=tmp_path)
    with pytest.raises(NotImplementedError, match=r"Tracker.open\(run, id\) is missing"):
        Tracker().export(RunFolder(trainer.run.path))
