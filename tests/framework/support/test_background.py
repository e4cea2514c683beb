"""Processes that outlive a command."""

import os

import pytest

from firstlight.support import background

TELL = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.getcwd())"


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    for name in (*background.ENDS_WITH_COMMAND, "FIRSTLIGHT_BACKGROUND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(background, "_started", [])


def test_it_runs_elsewhere_so_that_this_folder_may_be_deleted(tmp_path):
    said = tmp_path / "said"
    assert background.start(TELL, str(said))
    assert background._started[0].wait() == 0
    assert said.read_text() == os.path.abspath(os.sep)


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "CI"])
def test_nothing_starts_in_a_job(name, monkeypatch, tmp_path):
    monkeypatch.setenv(name, "1")
    assert not background.start(TELL, str(tmp_path / "said"))
    assert background._started == []


def test_nothing_starts_if_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("FIRSTLIGHT_BACKGROUND", "0")
    assert not background.start(TELL, str(tmp_path / "said"))


def test_without_python_nothing_starts(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "none"))
    assert not background.start(TELL, str(tmp_path / "said"))
