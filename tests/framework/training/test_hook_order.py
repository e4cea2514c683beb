"""The order in which hooks fire, and callbacks run within one."""

import re

import pytest

import firstlight as fl
from firstlight import hookspecs
from firstlight.testing import RecordingCallback, tiny_trainer
from firstlight.training import hook_manager


class Named(fl.Callback):
    """Writes its name into a list at both ends of a training."""

    def __init__(self, name, log, role=fl.Role.READER):
        self.name, self.log, self.role = name, log, role

    def on_fit_start(self):
        self.log.append(self.name)

    def on_fit_end(self):
        self.log.append(f"{self.name} end")


def expand(lines, counts):
    """Turn the indented list of the docstring into the sequence of one training."""
    calls = []
    while lines:
        line = lines.pop(0)
        depth = len(line) - len(line.lstrip())
        block = []
        while lines and len(lines[0]) - len(lines[0].lstrip()) > depth:
            block.append(lines.pop(0))
        if loop := re.fullmatch(r"\s*for each (.+)", line):
            calls += counts[loop[1]] * expand(list(block), counts)
        else:
            hook, *remark = re.split(r"\s{2,}", line.strip())
            if not (remark and remark[0].startswith("only when")):
                calls.append(hook)
    return calls


def test_a_real_fit_fires_in_the_order_that_hookspecs_lists():
    recorder = RecordingCallback()
    tiny_trainer([recorder], max_epochs=2, log_every_n_steps=1)
    listing = hookspecs.__doc__.split("::\n\n")[1].split("\n\n")[0].splitlines()
    counts = {"epoch": 2, "optimizer step": 3, "validation batch": 2}
    counts["batch of its accumulation window"] = 1
    assert recorder.names() == expand(listing, counts)


def test_the_docstring_names_every_hook():
    listed = set(re.findall(r"\b(?:on_\w+|setup|teardown)\b", hookspecs.__doc__))
    assert listed == {name for name in hook_manager.HOOKS if not name.startswith("register_")}


def test_the_end_of_a_training_that_fails():
    class Failing(fl.Callback):
        def on_train_epoch_end(self):
            raise ZeroDivisionError

    recorder = RecordingCallback()
    with pytest.raises(ZeroDivisionError):
        tiny_trainer([recorder, Failing()], log_every_n_steps=99)
    assert recorder.names()[-3:] == ["on_exception", "on_fit_end", "teardown"]


def test_the_first_epoch_is_1():
    epochs = []

    class Epochs(fl.Callback):
        def on_train_epoch_start(self, trainer):
            epochs.append(trainer.epoch)

    tiny_trainer([Epochs()], max_epochs=2)
    assert epochs == [1, 2]


def test_every_hook_gets_all_arguments_of_its_spec():
    recorder = RecordingCallback()
    trainer = tiny_trainer([recorder])
    by_hook = {call.hook: call.arguments for call in recorder.calls}
    assert by_hook["on_train_batch_end"]["batch_idx"] == 2
    assert by_hook["on_train_batch_end"]["batch"][0].shape == (4, 3)
    assert by_hook["on_validation_end"]["metrics"].keys() == {"val_loss", "val_acc"}
    assert by_hook["on_before_optimizer_step"]["optimizer"] is trainer.optimizer


def test_callbacks_run_by_role_then_as_listed():
    log = []
    roles = {"r1": 2, "e1": 1, "w1": 0, "r2": 2, "w2": 0, "e2": 1}
    tiny_trainer([Named(name, log, fl.Role(role)) for name, role in roles.items()])
    expected = ["w1", "w2", "e1", "e2", "r1", "r2"]
    assert log == expected + [f"{name} end" for name in expected]


def test_tryfirst_trylast_wrapper_and_specname():
    log = []

    class Marked:
        def __init__(self, name):
            self.name = name

        @fl.hookimpl(trylast=True)
        def on_fit_start(self):
            log.append(f"{self.name} last")

        @fl.hookimpl(specname="on_fit_start", tryfirst=True)
        def first(self, trainer):
            log.append(f"{self.name} first")

        @fl.hookimpl(specname="on_fit_start", wrapper=True)
        def around(self):
            log.append(f"{self.name} before")
            result = yield
            log.append(f"{self.name} after")
            return result

        @fl.hookimpl(wrapper=True)
        def on_fit_end(self):
            log.append(f"{self.name} before the end")
            yield
            log.append(f"{self.name} after the end")

    tiny_trainer([Named("plain", log), Marked("m")])
    assert log == [
        *("m before", "m first", "plain", "m last", "m after"),
        *("m before the end", "plain end", "m after the end"),
    ]


def test_describe_lists_hooks_and_callbacks_in_order():
    log = []

    class Early(fl.Callback):
        role = fl.Role.WRITER

        def on_fit_start(self):
            pass

    described = fl.Trainer(
        callbacks=[Named("n", log), Early()], default_callbacks=False, runs_dir=None
    ).describe()
    package = __name__.partition(".")[0]
    assert described.splitlines() == [
        f"on_fit_start              Early ({package}), Named ({package})",
        f"on_fit_end                Named ({package})",
    ]
