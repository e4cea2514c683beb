"""Callbacks: what counts as a hook, in which order they run, who is blamed."""

import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import ModuleType

import numpy as np
import pytest

import firstlight as fl
from firstlight.testing import RecordingCallback, TinyNet, tiny_data, tiny_trainer
from firstlight.training import hook_manager


class Named(fl.Callback):
    """Writes its name into a list in some hooks."""

    def __init__(self, name, log, role=fl.Role.READER):
        self.name, self.log, self.role = name, log, role

    def on_fit_start(self):
        self.log.append(self.name)

    def on_fit_end(self):
        self.log.append(f"{self.name} end")


def raising(message):
    raise ZeroDivisionError(message)


# --- what counts as a hook ----------------------------------------------------------------------


def test_instances_that_are_equal_are_two_callbacks():
    @dataclass
    class Counter(fl.Callback):
        weights: np.ndarray = field(default_factory=lambda: np.ones(3))
        started: int = 0

        def on_fit_start(self):
            self.started += 1

    first, second = Counter(), Counter()
    tiny_trainer([first, second])
    assert (first.started, second.started) == (1, 1)


def test_properties_are_not_evaluated():
    class Lazy(fl.Callback):
        @property
        def figure(self):
            raising("evaluated")

        @cached_property
        def on_demand(self):
            raising("evaluated")

        def on_fit_start(self):
            self.started = True

    callback = Lazy()
    tiny_trainer([callback])
    assert callback.started


def test_functions_kept_on_the_instance_and_static_methods_count():
    log = []

    class Mixed(fl.Callback):
        on_log = None

        def __init__(self):
            self.on_fit_start = lambda trainer: log.append(trainer.step)

        @staticmethod
        def on_fit_end(trainer):
            log.append(trainer.step)

        @classmethod
        def on_train_epoch_end(cls, trainer):
            log.append(cls.__name__)

    tiny_trainer([Mixed()], max_epochs=1)
    assert log == [0, "Mixed", 3]


def hook(name, function):
    """Return a callback with one method."""
    return type("Mine", (fl.Callback,), {name: function})()


def marked(name, function, **options):
    """Return an object of a plain class with one marked method."""
    return type("Mine", (), {name: fl.hookimpl(**options)(function)})()


class Parent:
    @fl.hookimpl
    def on_log(self):
        pass


class Child(Parent):
    def on_log(self):
        pass


BAD = {
    "misspelled": (
        hook("on_train_epoch_ends", lambda self: None),
        r"Mine.*\.on_train_epoch_ends is not a hook; did you mean on_train_epoch_end\?",
    ),
    "Lightning's": (
        hook("on_validation_epoch_end", lambda self: None),
        r"is not a hook; did you mean on_validation_end\?",
    ),
    "far off": (hook("on_xyz", lambda self: None), r"not a hook; the hooks are .*on_fit_start"),
    "misspelled and marked": (
        marked("on_fit_stat", lambda self: None),
        r"on_fit_stat is not a hook; did you mean on_fit_start\?",
    ),
    "misspelled specname": (
        marked("start", lambda self: None, specname="on_fit_stat"),
        r"start is not a hook; did you mean on_fit_start\?",
    ),
    "no mark": (Child(), r"Child.*\.on_log would never be called; mark it with @firstlight"),
    "unknown argument": (
        hook("on_log", lambda self, epoch: None),
        r"takes epoch, which the hook does not have; on_log offers: trainer, record",
    ),
    "default": (
        hook("on_train_batch_end", lambda self, batch_idx=None: None),
        r"batch_idx=None would never be filled; write it as plain batch_idx",
    ),
    "keyword only": (
        hook("on_log", lambda self, *, record: None),
        r"record would never be filled; write it as plain record",
    ),
    "**kwargs": (
        hook("on_log", lambda self, **kwargs: None),
        r"takes \*\*kwargs, which the hook does not have; on_log offers",
    ),
    "generator": (
        hook("on_log", lambda self: (yield)),
        r"one yield and is marked @firstlight.hookimpl\(wr",
    ),
    "no generator": (
        marked("on_log", lambda self: None, wrapper=True),
        r"a hook that wraps the others has one yield",
    ),
    "old wrapper": (marked("on_log", lambda self: (yield), hookwrapper=True), "use wrapper=True"),
    "property": (
        hook("on_log", property(lambda self: None)),
        r"on_log: expected a function or method, got property",
    ),
    "partial": (hook("on_log", partial(print)), "expected a function or method, got partial"),
    "role": (hook("role", "writer"), r"role: expected Role.WRITER, .* got 'writer'"),
}


@pytest.mark.filterwarnings("ignore:functools.partial will be a method:FutureWarning")
@pytest.mark.parametrize("case", BAD)
def test_what_pluggy_would_pass_over_is_an_error(case):
    callback, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        fl.Trainer(callbacks=[callback], default_callbacks=False, runs_dir=None)


def test_a_plugin_may_have_a_setup_of_its_own():
    class Offers:
        @fl.hookimpl
        def register_models(self, registry):
            """Offer nothing."""

        def setup(self, path):
            """Prepare something."""

    hook_manager.check(Offers())
    module = ModuleType("callbacks_of_a_module")
    module.on_fit_end, module.teardown = fl.hookimpl(lambda: None), print
    assert hook_manager.implemented(module).keys() == {"on_fit_end"}
    hook_manager.check(module)


def test_what_is_no_callback_is_an_error():
    def attach(*callbacks):
        fl.Trainer(callbacks=list(callbacks), default_callbacks=False, runs_dir=None)

    with pytest.raises(TypeError, match=r"expected an object, got the class RecordingCallback; wr"):
        attach(RecordingCallback)
    with pytest.raises(TypeError, match=r"42 implements no hook; derive its class from"):
        attach(42)
    one = RecordingCallback()
    with pytest.raises(TypeError, match="one object is listed twice"):
        attach(one, one)


# --- exceptions ---------------------------------------------------------------------------------


def fails_in(name, message="oops"):
    return hook(name, lambda self: raising(message))


@pytest.mark.parametrize("name", ["on_fit_start", "on_log", "on_validation_end", "on_fit_end"])
def test_an_exception_is_blamed_on_its_callback_and_end_hooks_run(name):
    log, recorder = [], RecordingCallback()
    with pytest.raises(ZeroDivisionError, match="oops") as caught:
        tiny_trainer([Named("before", log), fails_in(name), Named("after", log), recorder])
    assert any(re.match(rf"raised by callback Mine .*in {name}", n) for n in caught.value.__notes__)
    assert log[-2:] == ["before end", "after end"]
    assert ("on_exception" in recorder.names()) == (name != "on_fit_end")


def test_the_right_one_of_two_that_share_a_method_is_blamed():
    class Fussy(fl.Callback):
        def __init__(self, limit):
            self.limit = limit

        def on_train_batch_end(self, trainer):
            if trainer.step >= self.limit:
                raising("too far")

    class Patient(Fussy):
        pass

    with pytest.raises(ZeroDivisionError) as caught:
        tiny_trainer([Patient(99), Fussy(2)])
    blamed = [note for note in caught.value.__notes__ if note.startswith("raised by")]
    assert re.fullmatch(r"raised by callback Fussy .*in on_train_batch_end", *blamed)


def test_a_callback_that_logs_is_not_blamed_for_another_s_hook():
    class Logs(fl.Callback):
        def on_train_epoch_start(self, trainer):
            trainer.log({"mine": 1.0})

    with pytest.raises(ZeroDivisionError) as caught:
        tiny_trainer([Logs(), fails_in("on_log")])
    blamed = [note for note in caught.value.__notes__ if note.startswith("raised by")]
    assert re.fullmatch(r"raised by callback Mine .*in on_log", *blamed)


def test_what_fails_while_a_failure_is_dealt_with_is_noted_not_lost():
    troubles = [fails_in("on_exception", "second"), fails_in("on_fit_end", "third")]
    with pytest.raises(ZeroDivisionError, match="first") as caught:
        tiny_trainer([fails_in("on_log", "first"), *troubles])
    notes = "\n".join(caught.value.__notes__)
    assert re.search(r"and then ZeroDivisionError: second \(raised by .* in on_exception\)", notes)
    assert re.search(r"and then ZeroDivisionError: third \(raised by .* in on_fit_end\)", notes)


def test_an_exception_in_an_evaluation_is_blamed_too():
    trainer = fl.Trainer(
        callbacks=[fails_in("on_validation_end")], default_callbacks=False, runs_dir=None
    )
    with pytest.raises(ZeroDivisionError) as caught:
        trainer.validate(TinyNet(), tiny_data())
    assert "in on_validation_end" in caught.value.__notes__[0]
