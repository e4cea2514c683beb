"""Functions as callbacks."""

import pytest

import firstlight as fl
from firstlight.callbacks import LambdaCallback
from firstlight.training.hook_manager import implemented


@pytest.fixture
def fit(line, line_data, quiet):
    def run(*callbacks, **settings):
        trainer = fl.Trainer(max_epochs=2, callbacks=list(callbacks), **quiet, **settings)
        trainer.fit(line(), line_data, line_data)
        return trainer

    return run


def test_functions_of_all_kinds_are_called_with_the_arguments_they_take(fit):
    calls = []

    class Counts:
        def start(self, trainer):
            calls.append(("start", trainer.epoch))

        def method(self, metrics, stage):
            calls.append(("method", stage, sorted(metrics)))

    def ending(trainer, module):
        calls.append((trainer.status, type(module).__name__))

    fit(
        LambdaCallback(
            on_fit_start=lambda: calls.append(("nothing",)),
            on_train_epoch_start=Counts().start,
            on_train_epoch_end=lambda trainer: calls.append(("lambda", trainer.epoch)),
            on_validation_end=Counts().method,
            on_fit_end=ending,
        )
    )
    epochs = [
        [("start", epoch), ("method", "val", ["val_loss"]), ("lambda", epoch)] for epoch in (1, 2)
    ]
    assert calls == [("nothing",), *epochs[0], *epochs[1], ("finished", "Line")]


def test_only_the_given_hooks_are_registered(quiet):
    callback = LambdaCallback(on_log=lambda record: None, on_fit_end=lambda trainer: None)
    assert implemented(callback) == {"on_log": {}, "on_fit_end": {}}
    described = fl.Trainer(callbacks=[callback], **quiet).describe().splitlines()
    assert [line.split() for line in described] == [
        ["on_log", "LambdaCallback"],
        ["on_fit_end", "LambdaCallback"],
    ]
    assert repr(callback) == "LambdaCallback(on_log, on_fit_end)"


def test_two_of_them_keep_to_their_order(fit):
    calls = []
    fit(
        LambdaCallback(on_fit_start=lambda: calls.append(1)),
        LambdaCallback(on_fit_start=lambda: calls.append(2)),
    )
    assert calls == [1, 2]


def test_one_that_raises_is_named(fit):
    self = "the test's own, not a callback"

    def breaks():
        raise RuntimeError(self)

    class Other:
        def breaks(self):
            raise RuntimeError("of another object")

    for function in (breaks, Other().breaks):
        with pytest.raises(RuntimeError) as error:
            fit(LambdaCallback(on_fit_start=function))
        assert "raised by callback LambdaCallback in on_fit_start" in error.value.__notes__


def test_a_wrong_name_is_an_error_with_the_nearest():
    with pytest.raises(
        ValueError, match="there is no 'on_epoch_end'; did you mean 'on_.*epoch_end'"
    ):
        LambdaCallback(on_epoch_end=print)
    with pytest.raises(ValueError, match="expected .on_fit_start., .*, got 'register_models'"):
        LambdaCallback(register_models=print)


def test_a_wrong_argument_is_an_error_that_lists_the_right_ones(quiet):
    with pytest.raises(
        ValueError, match="LambdaCallback.on_log takes loss, .*offers: trainer, rec"
    ):
        fl.Trainer(callbacks=[LambdaCallback(on_log=lambda loss: None)], **quiet)


def test_what_is_no_function_is_an_error():
    for wrong in (3, print, object):  # print has no arguments that could be matched by name
        with pytest.raises(TypeError, match="expected a function, lambda or method as on_log, got"):
            LambdaCallback(on_log=wrong)
    with pytest.raises(TypeError, match="expected functions by the name of a hook"):
        LambdaCallback()
