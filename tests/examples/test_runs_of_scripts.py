"""Runs of examples and of the course's scripts are used from their folders alone, elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from script_projects import LIGHTNING

import firstlight as fl
from firstlight.runs import list_runs
from firstlight.tools.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(  # others keep no run
    path.relative_to(EXAMPLES).as_posix()
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("course/*.py"))
    if ".fit(" in (text := path.read_text()) and not re.search(r"runs_dir\W+None", text)
)
# The outputs of the trainings that the script still has at its end.
AT_THE_END = """
import gc as _gc
import numpy as _np
import firstlight as _fl

for _one in [one for one in _gc.get_objects() if isinstance(one, _fl.Trainer)]:
    if _one.run is not None:
        _x = _one.train_loader.data[_np.arange(5)][0]
        _state = _one.module.eval().state_dict()
        _np.savez(_one.run.path / "outputs.npz", x=_x, y=_one.module(_x), **_state)
"""


@pytest.fixture
def say(capsys):
    def run(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert code == 0, (words, err)
        return out

    return run


def train(folder, script, *words):
    """Run a script for one epoch, delete it, and return the runs that it has made."""
    path = folder / script
    text = re.sub(r"max_epochs=[^,)]+", "max_epochs=1", path.read_text())
    text = re.sub(r"max_steps=[^,)]+", "max_steps=20", text)
    path.write_text(text + AT_THE_END)
    done = subprocess.run(
        [sys.executable, script, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ
        | {"FIRSTLIGHT_TEST_DEVICE": "", "MPLBACKEND": "agg", "FIRSTLIGHT_DATA": ""},  # digits
    )
    assert done.returncode == 0, done.stderr
    for file in (*folder.glob("*.py"), *folder.glob("*/*.py")):
        file.unlink()
    return list_runs(folder / "runs")


def check(runs, elsewhere, say):
    """Load, test, look at, report and compare runs from another working directory."""
    elsewhere.mkdir()
    os.chdir(elsewhere)
    for run in runs:
        model, data = fl.load(run.path), fl.load_data(run.path)
        kept = model.state_dict()
        checkpoint = next(
            path
            for name in ("best", "last")
            if (path := run.path / "checkpoints" / f"{name}.safetensors").is_file()
        )
        for name, array in fl.Checkpoint.load(checkpoint).model.items():
            assert kept[name].tobytes() == array.tobytes()
        if (run.path / "outputs.npz").is_file():
            saved = dict(np.load(run.path / "outputs.npz"))
            x, y = saved.pop("x"), saved.pop("y")
            model.load_state_dict(saved)
            assert model(x).tobytes() == y.tobytes(), run.label
        split = "test" if data.test is not None else "val"
        out = say("test" if split == "test" else "validate", run.path)
        if "test_loss" in run.metrics and split == "test":
            assert f"{run.metrics['test_loss']:.4f}" in out
        if data.classes:  # it draws what a classifier does
            say("look", run.path, "--split", split, "--output", elsewhere / "look")
        say("report", run.path, "--output", elsewhere / "report.html")
        assert say("runs", "show", run.path)
    if len(runs) > 1:
        assert "model" in say("runs", "compare", "--all", *[run.path for run in runs[-2:]])
    assert any((run.path / "outputs.npz").is_file() for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_runs_of_a_script(script, tmp_path, say):
    folder = tmp_path / "scripts"
    shutil.copytree((EXAMPLES / script).parent, folder, ignore=lambda at, names: [
        name for name in names if not name.endswith(".py")
    ])  # fmt: skip
    check(train(folder, Path(script).name), tmp_path / "elsewhere", say)


@pytest.mark.slow
def test_a_run_of_a_script_like_lightnings(tmp_path, say):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in LIGHTNING.items():
        (folder / name).write_text(text)
    (run,) = train(folder, "train.py", "--hidden", "6", "5", "--lr", "0.02")
    assert run.config["model"]["hidden"] == [6, 5]
    assert run.config["model"]["batch_size"] == 16
    check([run], tmp_path / "elsewhere", say)
