"""What only watches never fails a training; what steers, stops or saves does."""

import functools

import pytest

import firstlight as fl
from firstlight import callbacks
from firstlight.callbacks import ConfusionMatrix, Plots
from firstlight.testing import TinyNet, tiny_data
from firstlight.training.hook_manager import HOOKS

GUARDED = [h for h in HOOKS if h.startswith("on_") and h not in ("on_fit_start", "on_exception")]


class Watcher(fl.Callback):
    """Fail in one hook, and count the calls."""

    watcher = True

    def __init__(self):
        self.calls = 0


def failing(hook, base=Watcher, error=ZeroDivisionError):
    def method(self):
        self.calls += 1
        raise error("out of luck")

    return type("Clumsy", (base,), {hook: method})()


def fit(*listed, **settings):
    settings = {"max_epochs": 2, "default_callbacks": False, "runs_dir": None} | settings
    trainer = fl.Trainer(callbacks=list(listed), **settings)
    trainer.fit(TinyNet(), tiny_data())
    return trainer


def fit_and_apply(hook, *listed, **settings):
    """Fit, and do what the hooks of a test or of a prediction belong to."""
    trainer = fit(*listed, **settings)
    if hook.startswith("on_test"):
        trainer.test(trainer.module, tiny_data())
    if hook.startswith("on_predict"):
        trainer.predict(trainer.module, tiny_data())
    return trainer


@pytest.mark.parametrize("hook", GUARDED)
def test_a_watcher_that_raises_is_a_warning_once(hook, tmp_path):
    class Loads(fl.Callback):
        def on_fit_start(self, trainer):
            trainer.save_checkpoint(tmp_path / "a.safetensors")
            trainer.hooks.hook.on_load_checkpoint(trainer=trainer, module=None, checkpoint=None)

    clumsy, alone = failing(hook), fit(seed=1)
    message = f"callback Clumsy.* failed in {hook}, and the training continues: ZeroDivisionError"
    with pytest.warns(UserWarning, match=message) as caught:
        trainer = fit_and_apply(hook, clumsy, Loads(), seed=1)
    assert len(caught) == 1
    assert clumsy.calls >= 1
    assert trainer.status == "finished"
    assert trainer.history["train_loss"] == alone.history["train_loss"]


def test_it_is_called_again_after_a_failure():
    clumsy = failing("on_train_batch_end")
    with pytest.warns(UserWarning, match="failed in on_train_batch_end"):
        trainer = fit(clumsy)
    assert clumsy.calls == trainer.step > 1


def test_before_the_first_step_it_is_an_error():
    with pytest.raises(ZeroDivisionError, match="out of luck"):
        fit(failing("on_fit_start"))


def test_by_hand_it_is_stopped():
    with pytest.raises(KeyboardInterrupt):
        fit(failing("on_train_epoch_end", error=KeyboardInterrupt))


class Other(fl.Callback):
    calls = 0


@pytest.mark.parametrize("hook", GUARDED[:1] + ["on_train_batch_end", "on_log", "on_fit_end"])
def test_what_is_no_watcher_fails_the_training(hook):
    with pytest.raises(ZeroDivisionError, match="out of luck") as caught:
        fit(failing(hook, Other))
    assert f"in {hook}" in caught.value.__notes__[0]


def test_the_failure_of_another_inside_a_watchers_hook_passes_on():
    class Logs(Watcher):
        def on_train_batch_end(self, trainer):
            trainer.log({"seen": 1.0})

    with pytest.raises(ZeroDivisionError, match="out of luck") as caught:
        fit(Logs(), failing("on_log", Other))
    assert caught.value.__notes__[0].startswith("raised by callback Clumsy")


def test_of_two_alike_the_one_that_failed_is_named():
    class Named(Watcher):
        def __init__(self, fails):
            self.fails = fails

        def on_train_epoch_end(self, trainer):
            if self.fails:
                raise ZeroDivisionError(self.fails)
            trainer.log({"seen": 1.0})

        def on_log(self, record):
            if "seen" in record and self.fails == "":
                pass

    with pytest.warns(UserWarning, match="the second") as caught:
        fit(Named(""), Named("the second"))
    assert len(caught) == 1


WATCHERS = (
    "check confusion_matrix decision_boundary distributions fingerprints layer_monitor live_curves "
    "lr_monitor plots profiler progress_bar sample_results tensorboard text_samples throughput"
)


def test_which_of_ours_are_watchers():
    registry = fl.plugins.registry("callback")
    found = {name for name in registry.names() if registry.get(name).watcher}
    assert found == set(WATCHERS.split())


def test_a_confusion_matrix_of_a_regression_trains_on():
    class Regression(TinyNet):
        def validation_step(self, batch):
            output = super().validation_step(batch)
            output.prediction = output.prediction[:, 0]
            return output

    trainer = fl.Trainer(callbacks=[ConfusionMatrix()], default_callbacks=False, max_epochs=2)
    with pytest.warns(UserWarning, match="ConfusionMatrix failed in on_validation_batch_end"):
        trainer.fit(Regression(), tiny_data())
    assert trainer.status == "finished"


class Metrics(TinyNet):
    """Has metrics of any names."""

    def __init__(self, *names):
        super().__init__()
        self.names = names

    def validation_step(self, batch):
        output = super().validation_step(batch)
        output.metrics = dict.fromkeys(self.names, output.loss)
        return output


@pytest.mark.slow
@pytest.mark.curves
def test_plots_of_any_metrics_name():
    names = ["$", "a$b$", r"$\frac$", "$$", "time", "lr", "_", "100 %", "\n"]
    trainer = fl.Trainer(callbacks=[Plots(("png",))], default_callbacks=False, max_epochs=3)
    trainer.fit(Metrics(*names), tiny_data())
    assert (trainer.run.path / "plots" / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["loss", "loss_step"])
def test_a_metric_cannot_replace_the_loss(name):
    with pytest.raises(ValueError, match=rf"Metrics.training_step has a metric '{name}', the name"):
        fl.Trainer(runs_dir=None, default_callbacks=False).fit(Metrics(name), tiny_data().train)
    with pytest.raises(ValueError, match=rf"Metrics.validation_step has a metric '{name}'"):
        fl.Trainer(runs_dir=None, default_callbacks=False).validate(Metrics(name), tiny_data())


def test_a_check_that_fails_itself_ends_no_training(monkeypatch):
    from firstlight.tools import diagnose

    @functools.wraps(diagnose.check)
    def broken(*_, **__):
        raise RecursionError("too deep")

    monkeypatch.setattr(diagnose, "check", broken)
    for action in ("warn", "raise"):
        check = callbacks.Check(action)
        with pytest.warns(UserWarning, match="Check: failed, RecursionError: too deep"):
            assert fit(check).status == "finished"
        assert check.report is None
