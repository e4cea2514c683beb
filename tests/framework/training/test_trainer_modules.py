"""What the Trainer says of a module's loss, of hooks on it, and of a loss that is not finite."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.testing import TinyNet, tiny_data


def changed(line, **methods):
    """Make a module like ``line`` with other methods."""
    return type("Net", (line,), methods)()


class PlainLoss:
    """What users write who know that a loss needs no more than these two."""

    def __call__(self, prediction, y):
        return ((prediction - y) ** 2).mean()

    def backward(self):
        return 1.0


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (PlainLoss(), "got a PlainLoss; derive PlainLoss from firstlight.Module"),
        (fl.nn.MSELoss, r"got the class MSELoss; write self.loss = MSELoss\(...\)"),
        (lambda prediction, y: 0.0, "got a function; derive a class from firstlight.Mod"),
        ("mse", "got a str; derive"),
    ],
)
def test_a_loss_that_is_no_module(loss, message, line, line_data, quiet):
    model = line()
    model.loss = loss
    with pytest.raises(TypeError, match=rf"Line.loss: expected a module.*{message}"):
        Trainer(max_epochs=1, **quiet).fit(model, line_data)


@pytest.mark.parametrize("name", ["on_train_epoch_end", "on_fit_start", "on_epoch_end"])
def test_a_module_has_no_hooks(name, line, line_data, quiet):
    model = changed(line, **{name: lambda self: None})
    nested = fl.nn.Sequential(model)
    nested.loss, nested.configure_optimizer = model.loss, model.configure_optimizer
    for one in (model, nested):
        with pytest.raises(TypeError, match=f"Net.{name} would never be called: hooks belong to"):
            Trainer(max_epochs=1, **quiet).fit(one, line_data)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (
            "configure_optimizers",
            "configure_optimizer, which returns one optimizer or a dict of them",
        ),
        ("train_step", "training_step"),
        ("test_step", "validation_step, which `test` calls too"),
    ],
)
def test_a_step_under_the_name_of_another_framework(name, ours, line, line_data, quiet):
    model = changed(line, **{name: lambda self: None})
    with pytest.raises(TypeError, match=f"Net.{name} would never be called; the Trainer .*{ours};"):
        Trainer(max_epochs=1, **quiet).fit(model, line_data)


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("on_train_epoch_end", ""),
        ("on_train_epoch_ended", ", as on_train_epoch_end,"),
        ("on_train_start", ", as on_fit_start,"),
        ("on_validation_epoch_end", ", as on_validation_end,"),
        ("training_epoch_end", ", as on_train_epoch_end,"),
        ("on_epoch_begin", ", as on_train_epoch_start,"),
        ("on_sanity_check_start", ""),
        ("on_before_batch_transfer", ""),
        ("on_test_model_eval", ""),
    ],
)
def test_the_hook_that_was_meant_is_named(name, renamed, line, line_data, quiet):
    model = changed(line, **{name: lambda self: None})
    with pytest.raises(TypeError, match=f"callbacks; move it{renamed} to a class derived from"):
        Trainer(max_epochs=1, **quiet).fit(model, line_data)


def test_other_methods_of_a_module_are_its_own(line, line_data, quiet):
    names = ["on_top", "once_started", "epoch_end", "on_device", "_on_epoch_end"]
    model = changed(line, **dict.fromkeys(names, lambda self: None))
    Trainer(max_epochs=1, **quiet).fit(model, line_data)


@pytest.mark.parametrize("name", ["setup", "teardown"])
def test_setup_of_a_module_is_its_own_unless_it_takes_a_stage(name, line, line_data, quiet):
    Trainer(max_epochs=1, **quiet).fit(changed(line, **{name: lambda self: None}), line_data)
    model = changed(line, **{name: lambda self, stage=None: None})
    with pytest.raises(TypeError, match=f"Net.{name} would never be called"):
        Trainer(max_epochs=1, **quiet).fit(model, line_data)


def test_a_module_that_is_a_callback_has_hooks(line, line_data, quiet):
    seen = []
    hook = fl.hookimpl(lambda self, trainer: seen.append(trainer.epoch))
    model = changed(line, on_train_epoch_end=hook)
    Trainer(max_epochs=2, **quiet | {"callbacks": [model]}).fit(model, line_data)
    assert seen == [1, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_said_once(bad, line, line_data, quiet):
    def training_step(self, batch):
        output = fl.Module.training_step(self, batch)
        output.loss = bad
        return output

    model = changed(line, training_step=training_step)
    with pytest.warns(UserWarning, match=f"train_loss is {bad} at step 3, epoch 1") as caught:
        Trainer(max_epochs=3, **quiet).fit(model, line_data)
    assert len(caught) == 1
    assert "nan_guard" in str(caught[0].message)
    assert "firstlight check" in str(caught[0].message)


def test_a_callback_may_validate_another_module_meanwhile():
    class Compares(fl.Callback):
        def on_validation_end(self, trainer, module):
            if trainer.status == "running" and module is mine:
                trainer.validate(TinyNet(), tiny_data())
                seen.append(trainer.module)

    mine, seen = TinyNet(), []
    trainer = fl.Trainer(
        max_epochs=2, callbacks=[Compares()], default_callbacks=False, runs_dir=None
    )
    trainer.fit(mine, tiny_data())
    assert seen == [mine, mine]
    assert trainer.module is mine
    assert (trainer.status, trainer.step) == ("finished", 6)
