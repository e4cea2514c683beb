"""A disk that is full or cannot be written to: the training goes on, the last good file stays."""

import contextlib
import os
import subprocess
import sys
import warnings

import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.checkpoints.writer import CheckpointWarning

SYSTEM_CALLS = [(os, "open"), (os, "fsync"), (os, "chmod"), (os, "replace")]


class FromEpoch(fl.Callback):
    """Does something at the start of an epoch, when all earlier checkpoints are written."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def on_train_epoch_start(self, trainer):
        if trainer.epoch == self.epoch:
            trainer.checkpointing.writer.close()
            self.action(trainer)


def train(line, line_data, action):
    trainer = fl.Trainer(
        max_epochs=4,
        callbacks=[ModelCheckpoint(top_k=0), FromEpoch(3, action)],
        default_callbacks=False,
        name="full",
    )
    with pytest.warns(CheckpointWarning, match=r"could not be written .*the earlier one is kept"):
        trainer.fit(line(), line_data)
    return trainer


def check_last_good(trainer):
    assert (trainer.status, trainer.step) == ("finished", 12)
    assert Checkpoint.load(trainer.run.checkpoints / "last.safetensors").step == 6
    assert [path.name for path in trainer.run.checkpoints.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize(("module", "call"), SYSTEM_CALLS, ids=lambda value: str(value)[:12])
def test_any_call_may_say_that_the_disk_is_full(module, call, line, line_data, monkeypatch):
    real = getattr(module, call)

    def full(*arguments, **options):
        target = str(options.get("dir", arguments[0] if arguments else ""))
        is_descriptor = call == "fsync" and "checkpoints" in os.readlink(
            f"/proc/self/fd/{arguments[0]}"
        )
        if "checkpoints" in target or is_descriptor:
            raise OSError(28, "No space left on device")
        return real(*arguments, **options)

    if call == "fsync" and sys.platform != "linux":
        pytest.skip("finds a descriptor's file in /proc")
    trainer = train(line, line_data, lambda trainer: monkeypatch.setattr(module, call, full))
    check_last_good(trainer)


@pytest.fixture
def mounted(tmp_path):
    """Mount a disk of 256 KB over a folder; returns its remount function."""
    folder = tmp_path / "runs"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    yield lambda options: subprocess.run(
        ["mount", "-o", f"remount,{options}", str(folder)], check=True
    )
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.usefixtures("mounted")
def test_a_disk_that_is_really_full(line, line_data):
    def fill(trainer):
        with contextlib.suppress(OSError), open("runs/ballast", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with pytest.warns(UserWarning, match="cannot be written .*No space left"):  # the run's end
        trainer = train(line, line_data, fill)
    check_last_good(trainer)


def test_a_disk_that_turns_read_only(line, line_data, mounted):
    def metrics_closed(trainer):
        trainer.run._metrics.close()  # a file open for writing would not let the disk change
        trainer.run._metrics = open(os.devnull, "w")  # noqa: SIM115
        trainer.run._watch.stop()
        mounted("ro")

    with pytest.warns(UserWarning, match="cannot be written .*Read-only"):
        trainer = train(line, line_data, metrics_closed)
    check_last_good(trainer)


@pytest.mark.usefixtures("mounted")
@pytest.mark.parametrize("fill_first", [False, True])
def test_nothing_of_ours_ends_a_training_on_a_full_disk(fill_first, line, line_data):
    def fill(_trainer):
        with contextlib.suppress(OSError), open("runs/ballast", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    watchers = ["progress_bar", "model_checkpoint", "tensorboard", fl.callbacks.Fingerprints(1)]
    if fill_first:
        watchers = [FromStart(fill), *watchers]
    trainer = fl.Trainer(
        max_epochs=4,
        log_every_n_steps=1,
        callbacks=[*watchers, FromEpoch(3, fill)],
        default_callbacks=False,
        name="full",
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(line(), line_data, line_data)
    assert (trainer.status, trainer.step) == ("finished", 12)
    told = " ".join(str(warning.message) for warning in caught)
    if fill_first:  # later there is room left in the blocks that these files have begun
        assert all(word in told for word in ("TensorBoard", "fingerprints", "metrics.jsonl"))
    assert "last.safetensors' could not be written" in told


class FromStart(fl.Callback):
    role = fl.Role.WRITER

    def __init__(self, action):
        self._action = action

    @fl.hookimpl(tryfirst=True)  # before TensorBoard opens its file
    def on_fit_start(self, trainer):
        self._action(trainer)


def test_the_best_files_so_far_stay_until_their_successor_is_written(line, line_data, monkeypatch):
    class Score(fl.Callback):
        role = fl.Role.WRITER

        def on_train_epoch_end(self, trainer):
            trainer.log({"score": float(trainer.epoch)})
            trainer.checkpointing.writer.close()  # each epoch's file is written before the next
            if trainer.epoch == 3:
                monkeypatch.setattr(os, "open", refuse)

    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    trainer = fl.Trainer(
        max_epochs=6,
        callbacks=[Score(), ModelCheckpoint("score", mode="max", top_k=2, save_last=False)],
        default_callbacks=False,
    )
    with pytest.warns(UserWarning, match="No space left"):
        trainer.fit(line(), line_data)
    names = sorted(path.name for path in trainer.run.checkpoints.glob("epoch*"))
    assert names == ["epoch=001-step=000003.safetensors", "epoch=002-step=000006.safetensors"]
