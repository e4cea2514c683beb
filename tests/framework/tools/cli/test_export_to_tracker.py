"""``firstlight runs export --to``: runs that have ended, sent to a tracker of a plugin."""

import sys

import pytest

from firstlight import plugins
from firstlight.testing import tiny_trainer

TRACKER = """
from pathlib import Path
from firstlight.callbacks import Tracker

class Notebook(Tracker):
    def open(self, run, id):
        Path(self.project).mkdir(exist_ok=True)
        self.file = Path(self.project, run.id)
        self.file.write_text(run.label + chr(10))
        return run.id

    def write(self, points):
        with self.file.open("a") as file:
            file.writelines(f"{point.step} {sorted(point.values)}" + chr(10) for point in points)

    def close(self, status):
        with self.file.open("a") as file:
            file.write(status)
"""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Install a tracker "notebook", train two runs, and return their folders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebook_plugin.py").write_text(TRACKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "notebook_plugin", raising=False)
    offered = plugins.registry("callback")._targets
    monkeypatch.setitem(offered, "notebook", ("notebook_plugin:Notebook", None))
    return [tiny_trainer(runs_dir="runs").run.path for _ in range(2)]


def test_each_run_is_sent_once(cli, runs, tmp_path):
    first, second = runs
    code, out, err = cli("runs", "export", first, "--to", "notebook")
    assert (code, out, err) == (0, f"tinynet/{first.name}: sent as {first.name}\n", "")
    label, *records, status = (tmp_path / "firstlight" / first.name).read_text().splitlines()
    assert (label, len(records), status) == (f"tinynet/{first.name}", 9, "finished")
    assert records[-1] == "6 ['best.val_acc', 'best.val_loss', 'epoch']"
    code, out, _ = cli("runs", "export", "--where", "val_loss > 0", "--to", "notebook")
    assert (code, out.splitlines()) == (
        0,
        [
            f"tinynet/{first.name}: left out, as it is there: {first.name}",
            f"tinynet/{second.name}: sent as {second.name}",
        ],
    )
    again = ("--to", "notebook", "--again", "--project", "old")
    assert cli("runs", "export", "tinynet", *again)[0] == 0
    assert (tmp_path / "old" / second.name).is_file()


def test_a_running_run_is_left_out(cli, runs, monkeypatch):
    monkeypatch.setattr("firstlight.runs.folder.read_status", lambda *_: "running")
    code, out, _ = cli("runs", "export", runs[0], "--to", "notebook")
    assert (code, out) == (0, f"tinynet/{runs[0].name}: left out, as it is still running\n")


def test_what_cannot_be_sent_is_refused(refused, runs):
    def says(*words):
        return refused("runs", "export", runs[0], *words)

    missing = says("--to", "nowhere")
    assert "--to nowhere: no such tracker is installed; there are: notebook" in missing
    assert "derive it from firstlight.callbacks.Tracker" in says("--to", "timer")
    assert "leave out --summary and -o" in says("--to", "notebook", "--summary")
    assert "--project and --again need --to TRACKER" in says("--again")
    assert "nowhere" in says("--to", "nowhere:Tracker")


def test_a_plugin_that_is_not_installed_is_named(refused, runs, monkeypatch):
    offered = plugins.registry("callback")._targets
    monkeypatch.delitem(offered, "mlflow", raising=False)
    said = refused("runs", "export", runs[0], "--to", "mlflow")
    assert "--to mlflow: its plugin firstlight-mlflow is not installed" in said
    assert "pip install ./examples/trackers/mlflow" in said
