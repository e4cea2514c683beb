"""What TensorBoard gets: read back from the files, and from a TensorBoard server."""

import contextlib
import signal
import subprocess
import sys

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import TensorBoard
from firstlight.callbacks.tensorboard import panels
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.callbacks.tensorboard.writer import Writer, flatten, tag
from firstlight.support.backend import to_host

reader = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="needs TensorBoard: pip install 'firstlight[tensorboard]'",
)


@pytest.fixture
def fit(line, line_data):
    def run(*callbacks, error=None, config=None, **settings):
        settings = {"max_epochs": 3, "log_every_n_steps": 2, "runs_dir": "runs"} | settings
        trainer = fl.Trainer(callbacks=list(callbacks), default_callbacks=False, **settings)
        trainer.config = config or {}
        with pytest.raises(error) if error else contextlib.nullcontext():
            trainer.fit(line(), line_data, line_data)
        return trainer

    return run


class Raises(fl.Callback):
    def __init__(self, error):
        self.error = error

    def on_train_epoch_end(self, trainer):
        raise self.error


def read(folder):
    found = reader.EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0}
    )
    return found.Reload()


def curve(events, name):
    return [(event.step, event.value) for event in events.Scalars(name)]


def hparams(events):
    """Return the decoded HPARAMS summaries by kind."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    found = {}
    for name, content in events.PluginTagToContent("hparams").items():
        kind = name.removeprefix("_hparams_/")
        found[kind] = getattr(plugin_data_pb2.HParamsPluginData.FromString(content), kind)
    return found


def test_every_record_is_written_under_its_tag_and_step(fit):
    trainer = fit(TensorBoard())
    events, history = read(trainer.run.path), trainer.history
    assert set(events.Tags()["scalars"]) == {tag(name) for name in history}
    assert {"loss/train", "loss/val", "loss/train_step", "lr"} <= {tag(name) for name in history}
    for name in history:
        steps, values = zip(*curve(events, tag(name)), strict=True)
        assert list(steps) == history.steps(name)
        assert values == pytest.approx(history[name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train_loss", "loss/train"),
        ("train_loss_step", "loss/train_step"),
        ("val_top5_acc", "top5_acc/val"),
        ("val_time_step", "time_step/val"),
        ("test_acc", "acc/test"),
        ("lr", "lr"),
        ("epoch_seconds", "epoch_seconds"),
        ("train", "train"),
        ("trained_units", "trained_units"),
    ],
)
def test_tags(name, expected):
    assert tag(name) == expected


def test_histograms_hold_the_parameters_after_each_epoch(fit, line):
    trainer = fit(TensorBoard(histograms=True), max_epochs=2)
    events = read(trainer.run.path)
    assert events.Tags()["histograms"] == ["parameters/body.weight", "parameters/body.bias"]
    first, last = events.Histograms("parameters/body.weight")
    weight = to_host(trainer.module.body.weight.data)
    assert (first.step, last.step) == (3, 6)
    value = last.histogram_value
    assert (value.min, value.max) == pytest.approx((weight.min(), weight.max()))
    assert value.num == sum(value.bucket) == 3
    assert value.sum == pytest.approx(weight.sum())
    assert value.sum_squares == pytest.approx((weight**2).sum())
    assert len(value.bucket) == len(value.bucket_limit) == 64
    assert read(fit(TensorBoard()).run.path).Tags()["histograms"] == []


def test_histograms_leave_out_what_is_not_finite(tmp_path):
    events = Writer(tmp_path)
    events.add_values("some", np.array([1.0, np.nan, np.inf, 3.0], dtype=np.float32), 1)
    events.add_values("none", np.array([np.nan]), 1)
    events.add_values("empty", np.empty((0, 3)), 1)
    events.close()
    found = read(tmp_path)
    assert found.Tags()["histograms"] == ["some"]
    assert found.Histograms("some")[0].histogram_value.sum == 4


def test_settings_and_end_are_there_and_no_experiment(fit):
    config = {"net": {"name": "mlp", "hidden": [512, 256]}, "number": 3, "amp": False, "no": None}
    info = hparams(read(fit(TensorBoard(), config=config).run.path))
    assert set(info) == {"session_start_info", "session_end_info"}
    settings = info["session_start_info"].hparams
    assert settings["net.name"].string_value == "mlp"
    assert settings["net.hidden"].string_value == "512,256"
    assert settings["number"].number_value == 3
    assert settings["amp"].WhichOneof("kind") == "bool_value"
    assert {"net.name", "net.hidden", "number", "amp"} <= set(settings)
    assert "no" not in settings


def test_a_script_without_a_config_has_settings_too(fit):
    settings = hparams(read(fit(TensorBoard()).run.path))["session_start_info"].hparams
    assert settings["optimizer.name"].string_value == "SGD"
    assert settings["model.lr"].number_value == 0.1
    assert settings["trainer.max_epochs"].number_value == 3
    assert "facts.structure" not in settings


@pytest.mark.parametrize(
    ("error", "status"), [(None, 1), (RuntimeError("x"), 2), (KeyboardInterrupt(), 0)]
)
def test_the_end_says_how_it_ended(fit, error, status):
    others = [Raises(error)] if error else []
    trainer = fit(TensorBoard(), *others, error=error and type(error))
    assert hparams(read(trainer.run.path))["session_end_info"].status == status


def test_results_of_a_test_join_the_run_in_a_file_of_their_own(fit, line_data):
    trainer = fit(TensorBoard())
    metrics = trainer.test(trainer.module, line_data)
    trainer.validate(trainer.module, line_data)  # leaves nothing: the fit has logged its own
    files = list(trainer.run.path.glob("events.out.tfevents.*"))
    assert len(files) == len({file.name for file in files}) == 2
    events = read(trainer.run.path)
    assert curve(events, "loss/test") == [(9, pytest.approx(metrics["test_loss"]))]
    assert len(curve(events, "loss/val")) == 3


def test_two_files_of_the_same_second_do_not_collide(tmp_path):
    for value in (1.0, 2.0, 3.0):
        events = Writer(tmp_path)
        events.add_record({"step": int(value), "epoch": 1, "time": 0.1, "lr": value})
        events.close()
    assert len(list(tmp_path.iterdir())) == 3
    found = [read(path).Scalars("lr")[0].value for path in tmp_path.iterdir()]
    assert sorted(found) == [1, 2, 3]


def test_without_a_run_nothing_is_written(fit, line_data, tmp_path):
    trainer = fit(TensorBoard(histograms=True), runs_dir=None)
    trainer.test(trainer.module, line_data)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_loses_nothing(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from firstlight.callbacks.tensorboard.writer import Writer\n"
        "writer = Writer(sys.argv[1])\n"
        "for step in range(500):\n"
        "    writer.add_record({'step': step, 'lr': step / 10})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    assert [step for step, _ in curve(read(tmp_path), "lr")] == list(range(500))


class Own(fl.Callback):
    """Adds what users add by `Trainer.tensorboard`."""

    def on_train_epoch_end(self, trainer):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2, 1), dpi=50)
        figure.add_subplot().plot([1, 2])
        trainer.tensorboard.add_figure("own/figure", figure, trainer.step)
        trainer.tensorboard.add_text("own/text", f"epoch {trainer.epoch}", trainer.step)


def test_users_have_the_writer_of_the_run(fit):
    trainer = fit(Own(), TensorBoard(), max_epochs=2)
    trainer.tensorboard.add_scalar("own/afterwards", 3.0, trainer.step)
    events = read(trainer.run.path)
    assert [event.step for event in events.Images("own/figure")] == [3, 6]
    (_, last) = events.Tensors("own/text/text_summary")
    assert last.tensor_proto.string_val[0] == b"epoch 2"
    assert curve(events, "own/afterwards") == [(6, 3.0)]
    assert len(list(trainer.run.path.glob("events.out.tfevents.*"))) == 2
    assert len(curve(events, "loss/val")) == 2


def test_users_have_the_writer_before_the_first_step_too(fit):
    class Early(fl.Callback):
        def setup(self, trainer, stage):
            trainer.tensorboard.add_scalar("own/setup", 1.0)  # there is no run yet

        def on_fit_start(self, trainer):
            trainer.tensorboard.add_scalar("own/start", 1.0, trainer.step)

    shared = TensorBoard()
    for _ in range(2):
        events = read(fit(Early(), shared, max_epochs=1).run.path)
        assert curve(events, "own/start") == [(0, 1.0)]
        assert "own/setup" not in events.Tags()["scalars"]


def test_a_test_belongs_to_the_run_of_its_trainer(fit, line_data):
    shared = TensorBoard()
    trainers = [fit(shared, max_epochs=epochs) for epochs in (1, 2)]
    trainers[0].test(trainers[0].module, line_data)
    assert [step for step, _ in curve(read(trainers[0].run.path), "loss/test")] == [3]
    assert writer_of(trainers[1]).logdir == str(trainers[1].run.path)
    assert writer_of(trainers[0]).logdir == str(trainers[0].run.path)


def test_a_panel_that_fails_at_the_end_leaves_the_rest_whole(fit, line_data, monkeypatch):
    def fails(panel, scene):
        raise ZeroDivisionError

    monkeypatch.setattr(panels.ModelGraph, "end", fails)
    with pytest.warns(UserWarning, match="callback TensorBoard failed in on_fit_end"):
        trainer = fit(TensorBoard(), max_epochs=1)
    assert "curves" in trainer.run.summary["tensorboard_seconds"]
    trainer.test(trainer.module, line_data)
    events = read(trainer.run.path)
    assert "session_end_info" in hparams(events)
    assert [step for step, _ in curve(events, "loss/test")] == [3]


def test_without_a_run_the_writer_writes_nothing(fit, tmp_path):
    fit(Own(), TensorBoard(), runs_dir=None)
    fit(Own(), runs_dir=None)
    assert not list(tmp_path.iterdir())


def test_without_the_callback_the_writer_is_an_error_with_a_cure(fit):
    with pytest.raises(RuntimeError, match="no callback writes for TensorBoard; add one"):
        fit(Own())


def test_importing_it_does_not_import_tensorboardx():
    code = "import sys, firstlight.callbacks; sys.exit('tensorboardX' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_flatten_gives_only_what_the_tab_can_show():
    nested = {"a": {"b": {"c": 1}}, "text": "two\n  lines", "t": (1, "x"), "n": None, "f": 0.5}
    assert flatten(nested) == {"a.b.c": 1.0, "text": "two lines", "t": "1,x", "f": 0.5}
    assert {type(value) for value in flatten({"a": 1, "b": True, "c": "s"}).values()} == {
        float,
        bool,
        str,
    }


# ------------------------------------------------------------------------------- a real server


@pytest.mark.slow
def test_a_tensorboard_server_shows_runs_curves_and_settings(fit, line_data, server):
    first = fit(TensorBoard(histograms=True), name="a", config={"width": 3, "depth": 1})
    second = fit(TensorBoard(), Raises(RuntimeError("boom")), error=RuntimeError, name="b")
    first.test(first.module, line_data)
    ask = server("runs")

    name_a, name_b = (f"{t.name}/{t.run.id}" for t in (first, second))
    print(ask("runs"))
    assert {name_a, name_b} <= set(ask("runs"))
    tags = ask("plugin/scalars/tags")
    assert {"loss/train", "loss/val", "loss/train_step", "loss/test", "lr"} <= set(tags[name_a])
    points = ask(f"plugin/scalars/scalars?run={name_a}&tag=loss/val")
    assert [step for _, step, _ in points] == first.history.steps("val_loss")
    assert [value for _, _, value in points] == pytest.approx(first.history["val_loss"])
    assert set(ask("plugin/histograms/tags")[name_a]) == {
        "parameters/body.weight",
        "parameters/body.bias",
    }

    experiment = ask("plugin/hparams/experiment", {"experimentName": ""})
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"width", "depth", "seed", "trainer.max_epochs"} <= names  # those of both runs
    columns = [{"metric": {"group": "", "tag": "loss/val"}}]
    groups = ask(
        "plugin/hparams/session_groups",
        {
            "experimentName": "",
            "startIndex": 0,
            "sliceSize": 10,
            "allowedStatuses": [
                "STATUS_SUCCESS",
                "STATUS_FAILURE",
                "STATUS_RUNNING",
                "STATUS_UNKNOWN",
            ],
            "colParams": columns,
        },
    )["sessionGroups"]
    sessions = {s["name"]: (g, s) for g in groups for s in g["sessions"]}
    group, session = sessions[name_a]
    assert group["hparams"]["width"] == 3
    assert session["status"] == "STATUS_SUCCESS"
    assert sessions[name_b][1]["status"] == "STATUS_FAILURE"
    values = {value["name"]["tag"]: value["value"] for value in session["metricValues"]}
    assert values["loss/val"] == pytest.approx(first.history["val_loss"][-1])
