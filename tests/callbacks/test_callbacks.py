"""All callbacks together: by name, in order, and when one of them raises."""

import json

import pytest

import firstlight as fl
from firstlight import callbacks, plugins
from firstlight.callbacks import (
    EarlyStopping,
    GradientClip,
    LambdaCallback,
    LRSchedule,
    ModelCheckpoint,
    Plots,
    ProgressBar,
    SampleResults,
    TensorBoard,
)
from firstlight.checkpoints.format import Checkpoint

NAMES = {
    "batch_size_finder": callbacks.BatchSizeFinder,
    "check": callbacks.Check,
    "confusion_matrix": callbacks.ConfusionMatrix,
    "decision_boundary": callbacks.DecisionBoundary,
    "distributions": callbacks.Distributions,
    "early_stopping": EarlyStopping,
    "ema": callbacks.EMA,
    "fingerprints": callbacks.Fingerprints,
    "freeze": callbacks.Freeze,
    "gradient_clip": GradientClip,
    "layer_monitor": callbacks.LayerMonitor,
    "live_curves": callbacks.LiveCurves,
    "loss_spike": callbacks.LossSpike,
    "lr_finder": callbacks.LRFinder,
    "lr_monitor": callbacks.LRMonitor,
    "lr_schedule": LRSchedule,
    "metrics": callbacks.Metrics,
    "model_checkpoint": ModelCheckpoint,
    "nan_guard": callbacks.NaNGuard,
    "param_schedule": LRSchedule,
    "plots": Plots,
    "profiler": callbacks.Profiler,
    "progress_bar": ProgressBar,
    "sample_results": SampleResults,
    "swa": callbacks.SWA,
    "tensorboard": TensorBoard,
    "text_samples": callbacks.TextSamples,
    "throughput": callbacks.Throughput,
    "timer": callbacks.Timer,
}


def test_all_but_lambda_callbacks_and_the_base_of_trackers_have_a_name():
    registry = plugins.registry("callback")
    assert {name: registry.get(name) for name in NAMES} == NAMES
    unnamed = {LambdaCallback, callbacks.Tracker}
    assert {*NAMES.values(), *unnamed} == {getattr(callbacks, n) for n in callbacks.__all__}
    with pytest.raises(plugins.UnknownNameError, match="did you mean 'early_stopping'"):
        registry.get("earlystopping")


def test_the_default_ones_come_after_those_given(quiet):
    trainer = fl.Trainer(callbacks=["early_stopping", ModelCheckpoint("val_loss")])
    assert [type(callback) for callback in trainer.callbacks] == [
        EarlyStopping,
        ModelCheckpoint,
        ProgressBar,
        Plots,
        SampleResults,
        TensorBoard,
    ]
    kinds = [type(callback) for callback in fl.Trainer(runs_dir=None).callbacks]
    assert kinds == [ProgressBar]
    assert fl.Trainer(**quiet).callbacks == []


def test_writers_come_first_then_editors_then_readers():
    clip, schedule = GradientClip(max_norm=1.0), LRSchedule("cosine")
    trainer = fl.Trainer(callbacks=[EarlyStopping(), clip, schedule])
    table = dict(line.split(maxsplit=1) for line in trainer.describe().splitlines())
    step = table["on_before_optimizer_step"].split(", ")
    assert step.index("LRSchedule") < step.index("GradientClip")
    assert table["on_log"] == "LRSchedule, EarlyStopping, ProgressBar, ModelCheckpoint, TensorBoard"


def test_all_of_them_at_work(line, line_data, capsys):
    trainer = fl.Trainer(
        max_epochs=12,
        log_every_n_steps=1,
        callbacks=[
            EarlyStopping("val_loss", patience=2, min_delta=10.0, restore_best=True),
            GradientClip(max_norm=1.0),
            LRSchedule("cosine"),
        ],
    )
    module = line()
    history = trainer.fit(module, line_data, line_data)
    assert trainer.epoch == 3
    assert history["lr"][0] > history["lr"][-1]
    best = Checkpoint.load(trainer.run.checkpoints / "best.safetensors")
    assert best.epoch == history.best("val_loss")["epoch"]
    summary = json.loads((trainer.run.path / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["stopped"].startswith("early stopping: val_loss has not improved for 2")
    assert "stopped early: val_loss has not improved" in capsys.readouterr().out
    assert list(trainer.run.path.glob("events.out.tfevents.*"))
    again = trainer.validate(module, line_data)
    assert again["val_loss"] == pytest.approx(history["val_loss"][0])  # restored: min_delta


HOOKS = [
    "on_fit_start",
    "on_train_epoch_start",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_end",
    "on_validation_end",
    "on_log",
    "on_train_epoch_end",
    "on_save_checkpoint",
    "on_fit_end",
]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_that_raises_is_named_and_all_end_hooks_run(line, line_data, hook):
    def breaks():
        raise RuntimeError("boom")

    ended = []
    trainer = fl.Trainer(
        max_epochs=2,
        callbacks=[
            LambdaCallback(on_fit_end=lambda: ended.append("first")),
            LambdaCallback(**{hook: breaks}),
            LambdaCallback(on_fit_end=lambda: ended.append("last")),
        ],
    )
    with pytest.raises(RuntimeError, match="boom") as error:
        trainer.fit(line(), line_data, line_data)
    assert f"raised by callback LambdaCallback in {hook}" in error.value.__notes__
    assert ended == ["first", "last"]
    assert trainer.status == "failed"
    summary = json.loads((trainer.run.path / "summary.json").read_text())
    assert (summary["status"], summary["error"]) == ("failed", "RuntimeError: boom")
    assert trainer.callbacks[-1]._writer is None  # TensorBoard closed its file
    assert trainer.callbacks[3]._display is None  # so did the progress display


def test_their_states_survive_a_checkpoint(line, line_data, tmp_path):
    settings = {"default_callbacks": False, "runs_dir": None, "max_epochs": 2}
    given = [EarlyStopping(), ModelCheckpoint(), LRSchedule("cosine"), TensorBoard()]
    trainer = fl.Trainer(callbacks=given, **settings)
    trainer.fit(line(), line_data, line_data)
    trainer.save_checkpoint(tmp_path / "x.safetensors")
    states = Checkpoint.load(tmp_path / "x.safetensors").callbacks
    assert not any("TensorBoard" in name for name in states)  # it has none
    for callback in given[:3]:
        (state,) = (s for name, s in states.items() if name.startswith(type(callback).__name__))
        assert state == callback.state_dict()
        twin = type(callback)("cosine") if isinstance(callback, LRSchedule) else type(callback)()
        twin.load_state_dict(state)
        assert twin.state_dict() == state
