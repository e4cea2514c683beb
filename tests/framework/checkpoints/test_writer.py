"""CheckpointWriter: every file in its turn, and what a state names before the state."""

import threading

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.checkpoints.writer import CheckpointWarning, CheckpointWriter
from firstlight.testing import TinyNet, tiny_data


def state(step, files=None):
    return Checkpoint({"w": np.full(3, step, "float32")}, step=step, files=files or {})


class Gate:
    """Holds each write up until the test lets it pass, and notes what was written."""

    def __init__(self, monkeypatch):
        self.passes, self.reached = threading.Semaphore(0), threading.Semaphore(0)
        self.written = []
        save = Checkpoint.save

        def held(checkpoint, path):
            self.reached.release()
            self.passes.acquire()
            found = save(checkpoint, path)
            self.written.append((path.stem, checkpoint.step))
            return found

        monkeypatch.setattr(Checkpoint, "save", held)

    def let_one_pass(self):
        self.passes.release()
        self.reached.acquire()


def test_no_file_starves_while_newer_requests_come(tmp_path, monkeypatch):
    gate, writer = Gate(monkeypatch), CheckpointWriter()
    best, last = tmp_path / "best.safetensors", tmp_path / "last.safetensors"
    writer.write({best: state(0), last: state(0)})
    gate.reached.acquire()
    for step in range(1, 30):  # a new pair of requests comes with each file that is written
        writer.write({best: state(step), last: state(step)})
        gate.let_one_pass()
    gate.passes.release(99)
    writer.close()
    names = [name for name, _ in gate.written[:28]]
    assert names == ["best", "last"] * 14
    assert gate.written[-2:] == [("best", 29), ("last", 29)]


def test_what_a_state_names_is_written_before_it(tmp_path, monkeypatch):
    gate, writer = Gate(monkeypatch), CheckpointWriter()
    best, last = tmp_path / "best.safetensors", tmp_path / "last.safetensors"
    writer.write({last: state(0)})
    gate.reached.acquire()
    writer.write({last: state(1)})  # waits, and is older than the best below
    newest = state(2, {"best.safetensors": [2, None]})
    writer.write({last: newest, best: newest})
    gate.passes.release(99)
    writer.close()
    assert gate.written == [("last", 0), ("best", 2), ("last", 2)]
    saved = Checkpoint.load(last)
    assert saved.files == {"best.safetensors": [2, Checkpoint.identity(best)[1]]}
    assert Checkpoint.load(best).files == {}  # of the same state, but named itself


def test_of_files_that_states_name_the_oldest_is_first(tmp_path, monkeypatch):
    gate, writer = Gate(monkeypatch), CheckpointWriter()
    three, six, last = (tmp_path / f"{name}.safetensors" for name in ("three", "six", "last"))
    writer.write({last: state(0)})
    gate.reached.acquire()
    newest = state(6, {"three.safetensors": [3, None], "six.safetensors": [6, None]})
    writer.write({six: newest, three: state(3), last: newest})
    gate.passes.release(99)
    writer.close()
    assert gate.written[1:] == [("three", 3), ("six", 6), ("last", 6)]


def test_a_file_that_is_not_the_one_named_has_no_checksum(tmp_path):
    writer = CheckpointWriter()
    best, last = tmp_path / "best.safetensors", tmp_path / "last.safetensors"
    state(1).save(best)
    writer.write({last: state(2, {"best.safetensors": [2, None]})})
    writer.close()
    assert Checkpoint.load(last).files == {"best.safetensors": [2, None]}
    writer.write({last: state(3, {"best.safetensors": [1, None]})})
    writer.close()
    assert Checkpoint.load(last).files == {"best.safetensors": [1, Checkpoint.identity(best)[1]]}


def test_a_write_that_failed_is_tried_again(tmp_path, monkeypatch):
    save, fails = Checkpoint.save, {"new": 1}

    def failing(checkpoint, path):
        if fails.get(path.stem, 0):
            fails[path.stem] -= 1
            raise OSError(28, "No space left on device")
        return save(checkpoint, path)

    monkeypatch.setattr(Checkpoint, "save", failing)
    writer = CheckpointWriter()
    old, new, last = (tmp_path / f"{name}.safetensors" for name in ("old", "new", "last"))
    old.write_bytes(b"old")
    writer.note(last, 0, {old: 0})
    named = state(1, {"new.safetensors": [1, None]})
    writer.write({new: named, last: named})
    with pytest.warns(CheckpointWarning, match="new.safetensors' could not be written .*no earl"):
        writer.close()
    assert Checkpoint.load(new).step == Checkpoint.load(last).step == 1
    assert not old.exists()


def test_a_file_is_deleted_after_the_last_that_no_longer_names_it(tmp_path, monkeypatch):
    old, new, last = (tmp_path / f"{name}.safetensors" for name in ("old", "new", "last"))
    old.write_bytes(b"old")
    save, there = Checkpoint.save, []

    def noting(checkpoint, path):
        found = save(checkpoint, path)
        there.append((path.stem, old.exists()))
        return found

    monkeypatch.setattr(Checkpoint, "save", noting)
    writer = CheckpointWriter()
    writer.note(last, 0, {old: 0})
    named = state(1, {"new.safetensors": [1, None]})
    writer.write({new: named})
    writer.close()
    assert old.exists()
    writer.write({last: named})
    writer.close()
    assert there == [("new", True), ("last", True)]
    assert not old.exists()


def test_what_a_resume_would_write_again_is_deleted_only_once_last_is_later(tmp_path):
    # A process stopped just before a deletion may be continued after another one took the run over,
    # went on from *last*, and wrote the same file again.
    fallen, best, last = (tmp_path / f"{name}.safetensors" for name in ("fallen", "best", "last"))
    writer = CheckpointWriter()
    writer.write({last: state(1)})
    writer.close()
    writer.write({fallen: state(2, {"fallen.safetensors": [2, None]})})
    writer.close()
    writer.write({best: state(3, {"best.safetensors": [3, None]})})
    writer.close()
    assert fallen.exists()
    writer.write({last: state(2, {"best.safetensors": [3, None]})})  # before step 2 was validated
    writer.close()
    assert fallen.exists()
    writer.write({last: state(3, {"best.safetensors": [3, None]})})
    writer.close()
    assert not fallen.exists()


def test_a_state_that_was_read_and_is_written_again_deletes_nothing(tmp_path):
    # A resume from best@6, of a process that was killed before it wrote the other best of step 6.
    kept, again, best = (tmp_path / f"{name}.safetensors" for name in ("kept", "again", "best"))
    kept.write_bytes(b"of step 3")
    writer = CheckpointWriter()
    writer.note(best, 6, {kept: 3})
    writer.write({again: state(6)})
    writer.close()
    assert kept.exists()


@pytest.mark.parametrize("settings", [{"max_epochs": 0}, {"max_epochs": 3}, {"max_steps": 4}])
def test_last_is_there_at_the_end_of_every_training(settings):
    trainer = fl.Trainer(callbacks=[ModelCheckpoint()], default_callbacks=False, **settings)
    trainer.fit(TinyNet(), tiny_data())
    last = Checkpoint.load(trainer.run.checkpoints / "last.safetensors")
    assert (trainer.status, last.step) == ("finished", trainer.step)
