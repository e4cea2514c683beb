"""Resume: which run, which file, and what stands beside them."""

import copy
import json
import os
import time
import warnings

import numpy as np
import pytest

import firstlight as fl
from firstlight import callbacks
from firstlight.checkpoints import resume
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs import RunFolder, list_runs
from firstlight.runs.owner import RunInUse
from firstlight.runs.run_files import read_status
from firstlight.testing import TinyNet, tiny_data


class At(fl.Callback):
    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            self.action(trainer)


def fit(name, made=(), *, resume=None, data=None, **settings):
    settings = {"max_epochs": 4, "log_every_n_steps": 1, "default_callbacks": False} | settings
    trainer = fl.Trainer(callbacks=[*made, callbacks.ModelCheckpoint()], name=name, **settings)
    trainer.fit(TinyNet(), *(data or (tiny_data(),)), resume=resume)
    return trainer


def pretend_running(run, silent, **changes):
    """Leave a run as a process of an earlier version does, whose summary gave signs of life."""
    path = run.path / "summary.json"
    summary = json.loads(path.read_text()) | {"status": "running"} | changes
    summary.pop("owner", None)
    path.write_text(json.dumps(summary))
    os.utime(path, (time.time() - silent,) * 2)


@pytest.mark.parametrize("said", ["folder", "label", "id", "name", "folder of runs"])
def test_a_run_may_be_named_in_any_way_to_go_on_with_it(said):
    first = fit("named", [At(3, lambda trainer: trainer.stop("enough"))])
    run = RunFolder(first.run.path)
    ways = {"folder": run.path, "label": run.label, "id": run.id, "name": run.name}
    ways["folder of runs"] = run.path.parent
    second = fit("other", resume=str(ways[said]))
    assert second.run.path == first.run.path
    assert second.step > first.step == 3


def test_a_run_without_a_checkpoint_and_one_of_another_model_say_so():
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name="bare")
    trainer.fit(TinyNet(), tiny_data())
    with pytest.raises(FileNotFoundError, match=r"the run bare/.* \(finished\) has no checkpoint"):
        fit("x", resume="bare")
    with pytest.raises(FileNotFoundError, match="or a run: its folder, name/id or name"):
        fit("x", resume="nothing")
    made = fit("tiny")
    other = fl.Trainer(max_epochs=9, default_callbacks=False, name="x")
    with pytest.raises(ValueError, match="names do not match") as caught:
        other.fit(fl.models.MLP(64, 10), fl.datasets.load("digits"), resume=made.run.path)
    assert "must be those of its run" in caught.value.__notes__[0]


def test_the_folder_of_checkpoints_stands_for_its_run_and_an_empty_text_for_none():
    run = fit("folder", max_steps=4).run
    assert fit("folder", resume=run.checkpoints).run.path == run.path
    with pytest.raises(TypeError, match="or a path, got ''"):
        fit("folder", resume="")


def test_an_epoch_that_was_broken_off_does_not_count():
    def fail(trainer):
        raise RuntimeError("boom")

    for step, epochs in ((1, 0), (6, 1)):
        with pytest.raises(RuntimeError, match="boom"):
            fit(f"boom{step}", [At(step, fail)])
        run = list_runs("runs")[-1]
        assert run.place["step"] == step
        assert run.place["epoch"] == epochs
        summary = {"status": "running", "pid": run.summary["pid"], "hostname": "gone"}
        (run.path / "summary.json").write_text(json.dumps(summary))  # as a killed one leaves it
        pretend_running(run, silent=3600)
        crashed = RunFolder(run.path)
        assert (crashed.status, crashed.place["step"]) == ("crashed", step)
        assert crashed.place["epoch"] == epochs


@pytest.mark.parametrize("changes", [{"hostname": "node17"}, {"pid": 1}])
def test_a_run_whose_machine_is_gone_is_gone_on_with(changes):
    run = fit("lost", max_steps=4).run
    pretend_running(run, silent=300, **changes)
    assert read_status(run.path) == "crashed"
    assert fit("lost", resume="auto").run.path == run.path


def test_a_run_that_shows_signs_of_life_is_refused_and_may_be_taken_over():
    run = fit("alive", max_steps=4).run
    pretend_running(run, silent=20, hostname="node17")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    for place in ("auto", "last"):
        with pytest.raises(RunInUse, match=r"a process of an earlier .*--resume .*/alive/"):
            fit("alive", resume=place)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert len(list_runs("runs")) == 1
    assert fit("alive", resume=run.path).run.path == run.path


def test_hidden_files_of_others_stay():
    run = fit("hidden", max_steps=4).run
    (run.path / ".ipynb_checkpoints").mkdir()
    (run.path / ".notes").write_text("mine")
    (run.path / ".summary.json.abcd1234").write_text("half")
    (run.checkpoints / ".tmpTcJXD0").write_text("half")  # safetensors', of a killed process
    fit("hidden", resume="last")
    assert not list(run.checkpoints.glob(".*"))
    assert sorted(p.name for p in run.path.glob(".*")) == [".ipynb_checkpoints", ".notes"]


def test_the_fall_back_passes_over_weights():
    trainer = fit("fall", max_steps=4)
    folder = trainer.run.checkpoints
    last = Checkpoint.load(folder / "last.safetensors")
    last.save(folder / "older.safetensors")
    os.utime(folder / "older.safetensors", (1, 1))
    last.weights().save(folder / "export.safetensors")
    (folder / "last.safetensors").write_bytes(b"damaged")
    (folder / "best.safetensors").unlink()
    with (
        pytest.warns(UserWarning, match="resuming from .*older.safetensors"),
        pytest.warns(UserWarning, match="best.safetensors' is missing"),
    ):
        assert fit("fall", resume="last").step == 12


def test_a_loader_without_a_state_is_warned_of():
    class Loader:
        def __len__(self):
            return 3

        def __iter__(self):
            x, y = np.ones((4, 3), "float32"), np.zeros(4, int)
            yield from [(x, y)] * 3

    fit("own", max_steps=4, data=(Loader(),))
    with pytest.warns(UserWarning, match="Loader has no state_dict .*first 1 batches are skipped"):
        fit("own", data=(Loader(),), resume="last")
    fit("own", max_steps=6, data=([*Loader()],))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit("own", data=(Loader(),), resume="last")  # an epoch's end: nothing to pass over


def test_copies_of_a_model_made_while_its_time_is_taken_are_models():
    class Keep(fl.Callback):
        def on_train_epoch_end(self, module):
            self.copy = copy.deepcopy(module)

    keep = Keep()
    trainer = fit("copy", [callbacks.Throughput(), keep])
    assert type(trainer.module) is TinyNet
    before = keep.copy.state_dict()["body.0.weight"]
    original = trainer.module.state_dict()["body.0.weight"].tobytes()
    fl.Trainer(max_epochs=1, default_callbacks=False, runs_dir=None).fit(keep.copy, tiny_data())
    assert keep.copy.state_dict()["body.0.weight"].tobytes() != before.tobytes()
    assert trainer.module.state_dict()["body.0.weight"].tobytes() == original


def test_a_second_model_checkpoint_has_a_folder_of_its_own():
    second = callbacks.ModelCheckpoint("train_loss", save_weights_only=True, top_k=2)
    both = [callbacks.ModelCheckpoint(), second]
    trainer = fl.Trainer(max_epochs=4, callbacks=both, default_callbacks=False)
    trainer.fit(TinyNet(), tiny_data())
    names = sorted(
        str(p.relative_to(trainer.run.checkpoints))
        for p in trainer.run.checkpoints.rglob("*.safetensors")
    )
    assert names[:2] == ["2/best.safetensors", names[1]]
    assert names[-2:] == ["best.safetensors", "last.safetensors"]
    assert Checkpoint.load(trainer.run.checkpoints / "last.safetensors").optimizer
    assert not Checkpoint.load(trainer.run.checkpoints / "2" / "last.safetensors").optimizer


def test_of_runs_started_within_a_second_the_later_is_the_newest():
    first = fit("twins", max_steps=2).run
    second = fit("twins", max_steps=4).run
    for run, end in ((first, "ffff"), (second, "0000")):  # random ends in the other order
        run.path.rename(run.path.with_name(f"2026-01-31_10-00-00_{end}"))
    found = resume.find("last", "runs", "twins")
    assert found.checkpoint.step == 4


def test_a_state_that_is_not_json_names_its_callback():
    class Odd(fl.Callback):
        def state_dict(self):
            return {"count": np.ones(3)}

    with pytest.raises(TypeError, match=r"callback Odd.state_dict cannot be saved in a checkpoint"):
        fit("odd", [Odd()])
