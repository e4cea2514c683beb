"""The end of a training: killed, terminated or broken off anywhere in it, it stays the same."""

import contextlib
import json
import os
import shutil
import signal
import sys

import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import callbacks
from firstlight.checkpoints import resume
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs.find import latest_run
from firstlight.runs.records import read_records
from firstlight.testing import TinyNet, tiny_data


class Killed(BaseException):
    """What ends a training at once here; the run is then as a killed process leaves it."""


class KillAt(fl.Callback):
    """Ends the process, as far as the run's folder can tell: what follows is not written."""

    role = fl.Role.WRITER

    def __init__(self, hook, step):
        self._hook, self._step = hook, step

    def _look(self, hook, trainer):
        if hook == self._hook and trainer.step == self._step and trainer.status != "idle":
            trainer.checkpointing.writer.close()
            self._left = trainer.run.path.with_name("left")
            shutil.copytree(trainer.run.path, self._left)
            raise Killed

    def on_validation_start(self, trainer):
        self._look("validation start", trainer)

    def on_validation_batch_end(self, trainer):
        self._look("validation", trainer)

    def on_train_epoch_end(self, trainer):
        self._look("epoch end", trainer)

    @fl.hookimpl(trylast=True)
    def on_fit_end(self, trainer):
        self._look("fit end", trainer)


class TerminateAt(fl.Callback):
    """Sends the wish to stop in the validation after a step."""

    def __init__(self, step):
        self._step = step

    def on_validation_batch_end(self, trainer):
        if trainer.step == self._step:
            trainer.interrupt.requested = True


def fit(name, made=(), resume=None, seed=0, last=(), checkpoint=None, **settings):
    fl.seed_everything(seed)
    used = [*made, checkpoint or callbacks.ModelCheckpoint(every_n_steps=2, top_k=2), *last]
    settings = {"log_every_n_steps": 1, "default_callbacks": False, "max_epochs": 12} | settings
    trainer = fl.Trainer(callbacks=used, name=name, **settings)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


def kill(name, hook, step, made=(), **settings):
    """Train until a hook at a step, and leave the run's folder as a kill there would."""
    killer = KillAt(hook, step)
    with contextlib.suppress(Killed):
        fit(name, made, last=[killer], **settings)
    (run,) = [path for path in killer._left.parent.iterdir() if path != killer._left]
    shutil.rmtree(run)
    killer._left.rename(run)
    for claim in run.glob("owner.*.json"):  # of this process, which lives on
        claim.unlink()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "running"
    (run / "summary.json").write_text(json.dumps(summary | {"pid": 2**22 + 1}))
    os.utime(run / "summary.json", (1, 1))
    return run


def timeless(value):
    """Return a JSON value without what a clock measured, or depends on that."""
    if isinstance(value, dict):
        clocks = ("time", "epoch_seconds", "elapsed", "files")
        return {name: timeless(item) for name, item in value.items() if name not in clocks}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return value


def contents(run):
    """Return all that two runs must have in common: files, states and records."""
    found = {"records": timeless(read_records(run)), "files": []}
    for path in sorted((run / "checkpoints").rglob("*")):
        found["files"].append(path.name)
        if path.is_file():
            read = vars(Checkpoint.load(path))
            arrays = {**read["model"], **read["arrays"], **read["optimizer"].pop("arrays", {})}
            found[path.name] = {n: a.tobytes() for n, a in arrays.items()}
            rest = {n: v for n, v in read.items() if n not in ("model", "arrays")}
            found[path.name]["state"] = timeless(rest)
    summary = json.loads((run / "summary.json").read_text())
    return found | {name: summary[name] for name in ("status", "steps", "epochs", "stopped")}


def early():
    return callbacks.EarlyStopping("val_loss", patience=2, mode="max")  # the loss falls: stops


STOPS = {
    "early stopping": lambda: ([early()], {}),
    "early stopping between epochs": lambda: ([early()], {"val_every": "2 steps"}),
    "early stopping that waits": lambda: ([early()], {"min_epochs": 5}),
    "early stopping that waits within an epoch": lambda: ([early()], {"min_steps": 11}),
    "max_steps": lambda: ([], {"max_steps": 8}),
    "max_steps and epochs of 2 windows": lambda: (
        [],
        {"max_steps": 5, "accumulate_grad_batches": 2},
    ),
    "max_steps at an epoch's end": lambda: ([], {"max_steps": 9}),
    "max_steps, a validation owed": lambda: ([], {"max_steps": 8, "val_every": "2 steps"}),
}


HOOKS = ["validation start", "validation", "epoch end", "fit end"]


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("hook", slow_but(HOOKS, "validation", "fit end"))
def test_killed_at_the_end_it_ends_as_undisturbed(stop, hook):
    made, settings = stop()
    whole = fit("whole", made, **settings)
    made, settings = stop()
    run = kill("parts", hook, whole.step, made, **settings)
    made, settings = stop()
    resumed = fit("parts", made, resume="auto", seed=9, **settings)
    assert resumed.run.path == run
    assert resumed.stop_reason == whole.stop_reason
    assert contents(resumed.run.path) == contents(whole.run.path)


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_terminated_in_the_last_validation_it_ends_as_undisturbed(stop):
    made, settings = stop()
    whole = fit("whole", made, **settings)
    made, settings = stop()
    broken = fit("parts", [*made, TerminateAt(whole.step)], **settings)
    assert broken.status == "interrupted"
    made, settings = stop()
    resumed = fit("parts", made, resume="auto", seed=9, **settings)
    assert resumed.run.path == broken.run.path
    assert contents(resumed.run.path) == contents(whole.run.path)


class InterruptWhenValidated(fl.Callback):
    """Sends the wish to stop after the validation of a step."""

    def on_log(self, trainer, record):
        if trainer.step == 3 and "val_loss" in record:
            trainer.interrupt.requested = True


def test_interrupted_after_an_epochs_last_step_best_is_the_state_of_the_epochs_end():
    settings = {"val_every": "3 steps", "max_epochs": 1}
    whole = fit("whole", **settings)
    assert whole.step == 3
    broken = fit("parts", last=[InterruptWhenValidated()], **settings)
    assert broken.status == "interrupted"
    resumed = fit("parts", resume="auto", seed=9, **settings)
    assert resumed.run.path == broken.run.path
    assert contents(resumed.run.path) == contents(whole.run.path)


def test_a_finished_training_resumed_with_the_same_limit_ends_as_it_was():
    whole = fit("whole", max_steps=8)
    before = contents(whole.run.path)
    again = fit("whole", resume="last", seed=9, max_steps=8)
    assert again.run.path == whole.run.path
    assert contents(again.run.path) == before


def test_a_time_that_was_used_up_stays_so(monkeypatch):
    class Clock(fl.Callback):
        role = fl.Role.WRITER

        def on_before_optimizer_step(self, trainer):
            if trainer.step == 7:  # the eighth step is the last
                trainer.progress.started -= 1000

    whole = fit("whole", [Clock()], max_time=900)
    assert whole.step == 8
    kill("parts", "validation", 8, [Clock()], max_time=900)
    resumed = fit("parts", resume="auto", seed=9, max_time=900)
    assert contents(resumed.run.path) == contents(whole.run.path)
    longer = fit("parts", resume="last", seed=9, max_time=9000, max_steps=10)
    assert longer.step == 10


def test_a_stop_from_outside_is_carried_out_after_a_kill_but_not_after_the_end():
    class Once(fl.Callback):
        """Stops for a reason that a second process does not see."""

        def on_train_batch_end(self, trainer):
            if trainer.step == 7:
                trainer.stop("the button was pressed")

    whole = fit("whole", [Once()])
    kill("parts", "validation", 7, [Once()])
    resumed = fit("parts", resume="auto", seed=9)
    assert (resumed.step, resumed.stop_reason) == (7, "the button was pressed")
    assert contents(resumed.run.path) == contents(whole.run.path)
    onwards = fit("parts", resume="last", seed=9)
    assert (onwards.step, onwards.stop_reason) == (36, None)


def test_auto_never_goes_on_from_the_middle_of_a_step():
    class CtrlCTwice(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 1:
                raise KeyboardInterrupt

    whole = fit("whole", checkpoint=callbacks.ModelCheckpoint())
    with pytest.raises(KeyboardInterrupt):
        fit("parts", [CtrlCTwice()], checkpoint=callbacks.ModelCheckpoint())
    (run,) = (whole.run.path.parents[1] / "parts").iterdir()
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["exception.safetensors"]
    resumed = fit("parts", resume="auto", checkpoint=callbacks.ModelCheckpoint())
    assert resumed.step == whole.step == 36
    assert contents(resumed.run.path) == contents(whole.run.path)
    with pytest.raises(FileNotFoundError, match="no checkpoint to resume from"):
        fit("parts", resume=run)
    exact = run / "checkpoints" / "exception.safetensors"
    with pytest.warns(UserWarning, match="middle of a step.*differ from an"):
        assert fit("other", resume=exact).step > 1


def test_a_damaged_last_does_not_lead_to_the_middle_of_a_step():
    class Fails(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit("parts", [Fails()], checkpoint=callbacks.ModelCheckpoint())
    (run,) = (latest_run("runs"),)
    last = run / "checkpoints" / "last.safetensors"
    last.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="resuming from .*best.safetensors"):
        assert resume.find("last", "runs", "parts").checkpoint.step == 3


def test_a_signal_that_comes_when_the_training_has_ended_is_not_its_reason(monkeypatch):
    looked = fl.Trainer.interrupted.fget

    def interrupted(trainer):
        """Return the answer, and have a signal come before it is used."""
        found = looked(trainer)
        if sys._getframe(1).f_code.co_name == "_training":
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(fl.Trainer, "interrupted", property(interrupted))
    trainer = fit("late", max_epochs=1)
    summary = json.loads((trainer.run.path / "summary.json").read_text())
    assert (summary["status"], summary["stopped"]) == ("finished", None)
