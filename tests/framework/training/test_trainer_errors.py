"""What goes wrong under the Trainer is named, noted and survived."""

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.runs.find import latest_run


def summary():
    return json.loads((latest_run("runs") / "summary.json").read_text())


def changed(line, **methods):
    """Make a module like ``line`` with other methods."""
    return type("Net", (line,), methods)()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_epochs": -1}, "max_epochs: expected 0 or more, got -1"),
        ({"max_epochs": 1.5}, "max_epochs: expected a whole number, got 1.5"),
        ({"max_time": "soon"}, 'max_time: expected seconds, "HH:MM:SS" or "10 min"'),
        ({"max_time": "2 weeks"}, "or \"10 min\", got '2 weeks'"),
        ({"max_time": "0 s"}, "max_time: expected more than 0 seconds, got 0.0"),
        ({"max_time": -1}, "max_time: expected"),
        ({"min_epochs": -1}, "min_epochs: expected 0 or more, got -1"),
        ({"min_steps": 2.5}, "min_steps: expected a whole number, got 2.5"),
        ({"min_epochs": 21}, "min_epochs: expected max_epochs, 20, or less, got 21; raise max_ep"),
        ({"max_steps": 4, "min_steps": 5}, "min_steps: expected max_steps, 4, or less, got 5"),
        (
            {"val_every": "2 weeks"},
            "val_every: expected a number of epochs such as 1, a share of an epoch such as 0.25, "
            '"500 steps", or a duration such as "10 min", got \'2 weeks\'',
        ),
        ({"val_every": 0}, "val_every: expected a number of epochs"),
        ({"val_every": 1.5}, "val_every: expected a number of epochs"),
        ({"val_every": -0.25}, "val_every: expected a number of epochs"),
        ({"val_every": float("nan")}, "val_every: expected a number of epochs"),
        ({"val_every": "0 min"}, "val_every: expected more than 0 seconds"),
        ({"val_every": "10:xx"}, 'val_every: expected seconds, "HH:MM:SS" or "10 min"'),
        ({"val_every": True}, "val_every: expected a number of epochs"),
        ({"limit_val_batches": -1}, "limit_val_batches: expected 0 or more batches, got -1"),
        ({"limit_train_batches": 2.5}, "limit_train_batches: expected a share from 0.0 to 1.0"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches: expected 1 or more"),
        ({"accumulate_grad_batches": {}}, "expected {epoch: batches}, got an empty one"),
        ({"accumulate_grad_batches": {0: 2}}, "accumulate_grad_batches: epoch: expected 1 or more"),
        ({"log_every_n_steps": 0}, "log_every_n_steps: expected 1 or more, got 0"),
        ({"device": "gpu"}, 'device: expected "cpu", "cuda", "cuda:N" or "auto", got \'gpu\''),
        ({"name": "a/b"}, "name: expected letters a to z, digits"),
        ({"name": "latest"}, "name: expected letters a to z, digits"),
        ({"name": "größe"}, "got 'größe'; e.g. 'groesse'"),
        ({"name": "-x"}, "name: '-x' would be taken for a flag"),
        ({"callbacks": "early_stopping"}, "callbacks: expected a list"),
        ({"callbacks": ["early_stoping"]}, "did you mean 'early_stopping'"),
        ({"callbacks": [fl.Callback]}, "expected an object, got the class Callback"),
        ({"callbacks": [3]}, "3 implements no hook"),
    ],
)
def test_bad_settings(settings, message, quiet):
    with pytest.raises((ValueError, TypeError, KeyError), match=message.replace("(", r"\(")):
        Trainer(**quiet, **settings)


def test_limits_are_checked_when_the_data_is_known(line, line_data, quiet):
    with pytest.raises(ValueError, match="limit_train_batches: expected a share from 0.0 to 1.0"):
        Trainer(limit_train_batches=1.5, **quiet).fit(line(), line_data)


def test_a_gpu_that_is_not_there(quiet):
    cupy = pytest.importorskip("cupy", reason="the message differs without CuPy")
    if cupy.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match="CuPy sees no GPU"):
        Trainer(device="cuda", **quiet)


def test_without_cupy_the_message_says_what_to_install(quiet):
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(RuntimeError, match=r"CuPy is not installed \(pip install"):
            Trainer(device="cuda", **quiet)
        assert Trainer(device="auto", **quiet).device == "cpu"
    else:
        pytest.skip("CuPy is installed")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda line: line, "expected a module, got the class Line; write Line"),
        (lambda line: 3, "expected a firstlight.Module, got int"),
        (
            lambda line: changed(line, configure_optimizer=fl.Module.configure_optimizer),
            "Net.configure_optimizer is missing; write: def configure_optimizer",
        ),
        (
            lambda line: changed(line, configure_optimizer=lambda self: None),
            "Net.configure_optimizer returned NoneType; end it with: return optim.Adam",
        ),
        (
            lambda line: changed(line, configure_optimizer=lambda self: ([], [])),
            "Net.configure_optimizer returned tuple; give each optimizer a name, in a dict",
        ),
        (
            lambda line: changed(line, forward=fl.Module.forward),
            "Net.forward is missing; write: def forward",
        ),
        (
            lambda line: changed(line, forward=lambda self, x: None),
            "Net.forward returned None; end it with: return y",
        ),
        (
            lambda line: changed(line, backward=fl.Module.backward),
            "Net.backward is missing; write: def backward",
        ),
        (
            lambda line: changed(line, backward=lambda self, dy: None),
            r"Net.body \(Linear\): 1 forward\(s\) of the training step were not undone",
        ),
        (
            lambda line: changed(line, training_step=lambda self, batch: 0.5),
            "Net.training_step returned float; end it with: return firstlight.StepOutput",
        ),
        (
            lambda line: changed(line, training_step=fl.Module.validation_step),
            "Net.training_step returned no dy, the gradient of the loss",
        ),
        (
            lambda line: changed(line, backward=lambda self, dy: self.body.backward(dy[:, 0])),
            r"Linear.backward: expected dy of shape \(32, 1\).*got shape \(32,\)",
        ),
    ],
)
def test_mistakes_in_a_users_module(module, message, line, line_data, quiet):
    with pytest.raises((TypeError, NotImplementedError, RuntimeError, ValueError), match=message):
        Trainer(max_epochs=1, **quiet).fit(module(line), line_data)


def test_module_without_loss(line, line_data, quiet):
    model = line()
    del model.loss
    with pytest.raises(AttributeError, match="Line has no loss; set self.loss"):
        Trainer(max_epochs=1, **quiet).fit(model, line_data)


def test_an_error_says_where_it_arose(line, line_data, quiet):
    with pytest.raises(ValueError, match=r"in_features\), got shape \(32, 3\)") as caught:
        Trainer(max_epochs=1, **quiet).fit(line(width=4), line_data)
    assert "epoch 1, batch 0 (float32 (32, 3), float32 (32, 1))" in caught.value.__notes__[-1]


class Broken(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 2:
            raise ZeroDivisionError("out of luck")


class Witness(fl.Callback):
    def __init__(self):
        self.seen = []

    def on_exception(self, exception):
        self.seen.append(type(exception).__name__)

    def on_fit_end(self, trainer):
        self.seen.append(trainer.status)


def test_a_callback_that_raises_is_named_and_the_run_marked_failed(line, line_data):
    witness = Witness()
    trainer = Trainer(callbacks=[Broken(), witness], default_callbacks=False)
    with pytest.raises(ZeroDivisionError, match="out of luck") as caught:
        trainer.fit(line(), line_data)
    assert caught.value.__notes__[0].startswith("raised by callback Broken")
    assert "in on_train_batch_end" in caught.value.__notes__[0]
    assert witness.seen == ["ZeroDivisionError", "failed"]
    assert summary()["status"] == "failed"
    assert summary()["error"] == "ZeroDivisionError: out of luck"
    assert summary()["steps"] == 2


class Revealing(fl.Callback):
    def on_train_epoch_end(self):
        error = RuntimeError("no access with password=hush")
        error.add_note("at http://me:hush@x")
        raise error


def test_a_failure_is_recorded_without_its_secrets(line, line_data):
    with pytest.raises(RuntimeError, match="hush"):
        Trainer(callbacks=[Revealing()], default_callbacks=False).fit(line(), line_data)
    assert summary()["error"] == "RuntimeError: no access with password=***"
    assert summary()["error_notes"][0] == "at http://me:***@x"


def test_an_end_hook_that_raises_does_not_stop_the_others(line, line_data):
    class BadEnd(fl.Callback):
        def on_fit_end(self):
            raise OSError("no more")

    witness = Witness()
    with pytest.raises(OSError, match="no more"):
        Trainer(max_epochs=1, callbacks=[BadEnd(), witness], default_callbacks=False).fit(
            line(), line_data
        )
    assert len(witness.seen) == 1
    assert summary()["status"] == "failed"


class Press(fl.Callback):
    """Sends a signal, Ctrl-C's by default, as often as asked, after step 2."""

    def __init__(self, times, number=signal.SIGINT):
        self.times, self.number = times, number

    def on_train_batch_end(self, trainer):
        if trainer.step == 2:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


def test_the_first_ctrl_c_ends_the_step_and_returns(line, line_data):
    witness = Witness()
    trainer = Trainer(callbacks=[Press(1), witness], default_callbacks=False)
    history = trainer.fit(line(), line_data)
    assert trainer.interrupted
    assert trainer.step == 2
    assert witness.seen == ["interrupted"]
    assert summary()["status"] == "interrupted"
    assert "train_loss" not in history  # resuming finishes the epoch


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_cluster_may_ask_more_than_once(number, line, line_data):
    before = signal.getsignal(number)
    trainer = Trainer(callbacks=[Press(2, number)], default_callbacks=False)
    trainer.fit(line(), line_data)
    assert (trainer.status, trainer.step) == ("interrupted", 2)
    assert trainer.interrupt.signal == number.name
    assert summary()["stopped"] == number.name
    assert signal.getsignal(number) is before


def test_the_second_ctrl_c_raises_after_the_end_hooks(line, line_data):
    witness = Witness()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Trainer(callbacks=[Press(2), witness], default_callbacks=False).fit(line(), line_data)
    assert witness.seen == ["interrupted"]
    assert summary()["status"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_unwritable_runs_folder(line, line_data):
    Path("runs").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="the runs folder 'runs' cannot be written .*runs_dir="):
        Trainer(max_epochs=1, default_callbacks=False).fit(line(), line_data)


@pytest.mark.filterwarnings("ignore:train data. x is uint8")
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 1)), "is empty: expected at least one sample"),
        (np.full((4, 3), np.nan), np.zeros((4, 1)), r"NaN or infinity .* in 4 of 4 samples"),
        (np.zeros((4, 3)), np.zeros((5, 1)), r"got \[4, 5\]"),
        (np.zeros((4, 5)), np.zeros((4, 1)), "last axis 3"),
        (np.zeros((4, 3), "uint8"), np.zeros((4, 1)), "dtype float32 .*got uint8"),
    ],
)
def test_bad_data(x, y, message, line, quiet):
    with pytest.raises((ValueError, TypeError), match=message):
        Trainer(max_epochs=1, **quiet).fit(line(), (x, y))


class CtrlCAtTheEnd(fl.Callback):
    role = fl.Role.WRITER

    def on_fit_end(self):
        raise KeyboardInterrupt


def test_nothing_breaks_off_the_ending(line, line_data):
    witness = Witness()
    callbacks = [CtrlCAtTheEnd(), witness, "model_checkpoint"]
    with pytest.raises(KeyboardInterrupt):
        Trainer(max_epochs=1, callbacks=callbacks, default_callbacks=False).fit(line(), line_data)
    assert witness.seen == ["finished"]
    assert summary()["status"] == "interrupted"
    assert "firstlight-checkpoints" not in [thread.name for thread in threading.enumerate()]
