"""Curves as pictures: in the run folder, and live in a notebook."""

import json
import os

import pytest

import firstlight as fl
from firstlight.callbacks import LiveCurves, Plots, Throughput
from firstlight.support import background
from firstlight.testing import tiny_trainer

pytestmark = pytest.mark.curves


def plots(trainer):
    return sorted(path.name for path in (trainer.run.path / "plots").glob("*"))


def test_curves_are_drawn_as_png_and_svg():
    trainer = tiny_trainer([Plots()], runs_dir="runs")
    assert plots(trainer) == ["curves.png", "curves.svg"]
    assert (trainer.run.path / "plots/curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (trainer.run.path / "plots/curves.svg").read_text()


def drawn_later(monkeypatch, prepare=lambda: None):
    """Return a trainer whose curves another process has drawn."""
    for name in (*background.ENDS_WITH_COMMAND, "FIRSTLIGHT_BACKGROUND"):
        monkeypatch.delenv(name, raising=False)
    drawing = Plots(formats=("svg",))
    drawing.in_background = True
    monkeypatch.setattr(background, "_started", [])
    prepare()
    trainer = tiny_trainer([drawing], runs_dir="runs")
    for process in background._started:
        assert process.wait() == 0
    return trainer


@pytest.mark.slow
def test_another_process_draws_the_curves(monkeypatch):
    trainer = drawn_later(monkeypatch)
    assert len(background._started) == 1
    assert plots(trainer) == ["curves.svg"]
    assert "<svg" in (trainer.run.path / "plots/curves.svg").read_text()


def test_another_process_leaves_the_reason_why_it_cannot_draw(monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    (broken / "matplotlib").mkdir(parents=True)
    (broken / "matplotlib/__init__.py").write_text("raise ImportError('no fonts')")
    trainer = drawn_later(
        monkeypatch, lambda: monkeypatch.setenv("PYTHONPATH", str(broken), prepend=os.pathsep)
    )
    assert plots(trainer) == ["curves_failed.txt"]
    assert "no fonts" in (trainer.run.path / "plots/curves_failed.txt").read_text()


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "CI"])
def test_where_no_process_outlives_the_command_it_draws_itself(name, monkeypatch):
    trainer = drawn_later(monkeypatch, lambda: monkeypatch.setenv(name, "1"))
    assert background._started == []
    assert plots(trainer) == ["curves.svg"]


@pytest.mark.slow
def test_formats_can_be_chosen():
    trainer = tiny_trainer([Plots(formats=("pdf",))], runs_dir="runs")
    assert plots(trainer) == ["curves.pdf"]
    with pytest.raises(ValueError, match='formats: expected "png", "svg" or "pdf", got'):
        Plots(formats=("jpg",))


def test_nothing_is_drawn_of_one_epoch_or_without_a_run(tmp_path):
    assert plots(tiny_trainer([Plots()], max_epochs=1, runs_dir="runs")) == []
    before = list(tmp_path.rglob("*"))
    tiny_trainer([Plots()])
    assert list(tmp_path.rglob("*")) == before


def test_a_training_that_failed_has_its_curves(line, line_data):
    class Breaks(fl.Callback):
        def on_train_epoch_start(self, trainer):
            if trainer.epoch == 4:
                raise RuntimeError("no more")

    trainer = fl.Trainer(max_epochs=9, callbacks=[Plots(), Breaks()], default_callbacks=False)
    with pytest.raises(RuntimeError, match="no more"):
        trainer.fit(line(), line_data)
    assert plots(trainer) == ["curves.png", "curves.svg"]


def test_the_time_by_parts_is_among_them():
    trainer = tiny_trainer([Throughput(), Plots(formats=("svg",))], runs_dir="runs")
    assert json.loads((trainer.run.path / "summary.json").read_text())["time_shares"]
    svg = (trainer.run.path / "plots/curves.svg").read_text()
    assert "<!-- time -->" in svg  # matplotlib notes what each text says
    assert "<!-- backward -->" in svg


def test_a_folder_that_cannot_be_written_is_a_warning():
    class Blocks(fl.Callback):
        def on_fit_start(self, trainer):
            (trainer.run.path / "plots").write_text("in the way")

    with pytest.warns(UserWarning, match=r"curves\.png cannot be written"):
        tiny_trainer([Blocks(), Plots(formats=("png",))], runs_dir="runs")


def test_history_plots_itself():
    figure = tiny_trainer().history.plot(title="tiny")
    assert figure.get_suptitle() == "tiny"
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == ["loss", "accuracy", "learning rate"]


# ----------------------------------------------------------------------------------- live curves


def test_outside_a_notebook_live_curves_are_an_error():
    with pytest.raises(RuntimeError, match="expected a notebook or IPython; in a script use"):
        tiny_trainer([LiveCurves()])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Attempting to work in a virtualenv:UserWarning")
def test_live_curves_are_one_picture_that_is_drawn_anew():
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            tiny_trainer([LiveCurves(every_seconds=0)], max_epochs=3)
        with capture_output() as seldom:
            tiny_trainer([LiveCurves(every_seconds=1e9)], max_epochs=3)
    finally:
        InteractiveShell.clear_instance()
    assert all("image/svg+xml" in output.data for output in captured.outputs)
    assert [output.update for output in captured.outputs] == [False, True, True, True]
    ids = {output.transient["display_id"] for output in captured.outputs}
    assert len(ids) == 1
    assert len(seldom.outputs) == 2  # the first epoch, and the end
