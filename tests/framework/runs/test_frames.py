"""Runs and histories as data frames."""

import subprocess
import sys

import pytest

from firstlight import runs
from firstlight.runs.history import History, LongHistory
from firstlight.support.extras import MissingPackageError

RECORDS = [
    {"step": 10, "epoch": 1, "time": 0.5, "train_loss": 1.0},
    {"step": 20, "epoch": 2, "time": 1.0, "train_loss": 0.5, "val_loss": float("nan")},
]


@pytest.fixture(params=["pandas", "polars"])
def library(request, monkeypatch):
    """Have one of the two libraries only."""
    other = {"pandas": "polars", "polars": "pandas"}[request.param]
    pytest.importorskip(request.param, reason=f"needs {request.param}")
    monkeypatch.setitem(sys.modules, other, None)
    return request.param


def test_a_row_for_each_run(make_run, library):
    make_run("mlp/a", (0.5, 0.25), tests={"test_acc": 0.875})
    make_run("mlp/b", model={"name": "mlp", "lr": 1, "hidden": 64}, note="x", flag=True)
    make_run("cnn/c", (), status="running")
    frame = runs.to_frame("runs", sort="id")
    assert type(frame).__module__.startswith(library)
    assert list(frame["run"]) == ["mlp/a", "mlp/b", "cnn/c"]
    assert list(frame["status"]) == ["finished", "finished", "crashed"]
    assert list(frame["model.lr"]) == [0.1, 1.0, 0.1]
    assert list(frame["model.hidden"]) == ["64,32", "64", "64,32"]
    assert list(frame["best.val_loss"])[:2] == [0.25, 0.4]
    assert list(frame["test_acc"])[0] == 0.875
    missing = list(frame["best.val_loss"])[2]
    assert missing is None or missing != missing


def test_a_choice_of_runs_and_none(make_run, library):
    make_run("mlp/a")
    make_run("cnn/b")
    assert list(runs.to_frame(where="name == 'cnn'")["run"]) == ["cnn/b"]
    assert len(runs.to_frame("nowhere")) == 0


@pytest.mark.parametrize("kind", [History, LongHistory])
def test_a_row_for_each_record(kind, library):
    frame = kind(RECORDS).to_frame()
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == ["step", "epoch", "time", "train_loss", "val_loss"]
    assert list(frame["step"]) == [10, 20]
    assert "int" in str(frame["step"].dtype).lower()
    assert list(frame["train_loss"]) == [1.0, 0.5]
    assert frame["val_loss"][1] != frame["val_loss"][1]


@pytest.mark.slow
def test_it_is_the_library_that_the_program_has_imported(library):
    code = (
        f"import {library}; from firstlight.runs.history import History; "
        "print(type(History([{'step': 1}]).to_frame()).__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(library)


def test_without_a_library_the_message_says_what_to_install(monkeypatch):
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingPackageError, match=r"needs the package pandas; install it with: pip"
    ):
        runs.to_frame()
    with pytest.raises(MissingPackageError, match=r"firstlight\[pandas\]'; or pip install polars"):
        History(RECORDS).to_frame()
