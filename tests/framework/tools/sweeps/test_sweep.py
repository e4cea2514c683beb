"""Sweeps as a user runs them, in processes of their own."""

import csv
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml
from waiting import until

from firstlight.runs import list_runs
from firstlight.tools.cli.main import main
from firstlight.tools.sweeps import Trials

SWEEP = """
method: grid
metric: val_loss
fit:
  model: mlp
  data: {name: digits, batch_size: 128}
  callbacks: [model_checkpoint]
  trainer: {max_epochs: 2, default_callbacks: false}  # a process starts faster so
parameters:
  model.hidden: ["8", "16,8"]
  model.lr: [1e-2, 1e-6]
"""


def sweep(*words, cwd, text=SWEEP, **environment):
    (cwd / "s.yaml").write_text(text)
    chosen = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return subprocess.Popen(
        [sys.executable, "-m", "firstlight", "sweep", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**chosen, "PYTHONIOENCODING": "utf-8", **environment},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A sweep that has run with two jobs: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    process = sweep("s.yaml", "--jobs", 2, cwd=folder)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    return folder / "runs" / "s", out


@pytest.mark.slow
def test_every_trial_is_an_ordinary_run(done):
    folder, out = done
    runs = list_runs(folder.parent)
    assert len(runs) == 4
    assert {(run.name, run.status) for run in runs} == {("s", "finished")}
    assert sorted((tuple(r.config["model"]["hidden"]), r.config["model"]["lr"]) for r in runs) == [
        *[((8,), 1e-6), ((8,), 1e-2), ((16, 8), 1e-6), ((16, 8), 1e-2)],
    ]
    assert all(run.config["data"]["batch_size"] == 128 for run in runs)
    assert len(re.findall(r"^trial \d/4  finished  val_loss ", out, re.MULTILINE)) == 4


def test_two_jobs_share_the_cores(done):
    folder, _ = done
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for run in list_runs(folder.parent):
        assert run.environment["threads"]["OPENBLAS_NUM_THREADS"] == str(max(1, cores // 2))


def test_table_best_settings_and_plots_are_written(done):
    folder, out = done
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["trial"] for row in rows] == ["1", "2", "3", "4"]
    assert sorted(row["model.hidden"] for row in rows) == ["16,8", "16,8", "8", "8"]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert best["model.lr"] == "0.01"
    config = yaml.safe_load((folder / "best.yaml").read_text())
    assert config["model"]["lr"] == 0.01
    assert not {"name", "runs_dir", "facts"} & set(config)
    plots = {path.name for path in (folder / "plots").iterdir()}
    names = ("parallel_coordinates", "importance", "slices", "progress")
    assert plots == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    lines = out.splitlines()
    assert re.match(rf" *1 +{best['trial']}  {best['run']}  finished", lines[7])
    assert lines[-1].startswith("the best once more: firstlight fit --config runs/s/best.yaml")


def test_the_best_settings_give_the_best_result_again(done, tmp_path, monkeypatch, capsys):
    folder, _ = done
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--config", str(folder / "best.yaml"), "--name", "again"]) == 0
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    best = min(float(row["val_loss"]) for row in rows)
    (run,) = list_runs()
    assert run.best["val_loss"]["value"] == pytest.approx(best, rel=1e-4)


@pytest.mark.slow
def test_a_sweep_that_is_done_only_tells_its_results(done, monkeypatch, capsys):
    folder, out = done
    monkeypatch.chdir(folder.parents[1])
    assert main(["sweep", "runs/s"]) == 0
    again = capsys.readouterr().out
    assert "trial 1/4" not in again
    assert again.splitlines()[1:] == [line for line in out.splitlines()[1:] if line[:6] != "trial "]
    assert len(list_runs()) == 4


def test_another_search_does_not_go_into_the_same_folder(done, monkeypatch, capsys, tmp_path):
    folder, _ = done
    monkeypatch.chdir(folder.parents[1])
    other = tmp_path / "s.yaml"
    other.write_text(SWEEP.replace("1e-6", "1e-5"))
    assert main(["sweep", str(other)]) == 2
    assert "holds a sweep with other parameters; give this one another name" in (
        capsys.readouterr().err
    )
    other.write_text(SWEEP + "name: mlp-digits\n")
    (folder.parent / "mlp-digits" / "x").mkdir(parents=True)
    assert main(["sweep", str(other)]) == 2
    assert "holds runs that belong to no sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("model.lr:", "model.lrr:", "model mlp has no argument model.lrr; did you mean model.lr?"),
        ("model.lr:", "lr:", "unknown argument lr"),
        ("1e-2, 1e-6", "fast, slow", "model.lr: expected float, got "),
        ("model: mlp", "model: mlpp", "did you mean"),
        ("method: grid", "method: gird", "expected one of grid, random, tpe, got 'gird'"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_made(before, after, message, tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(SWEEP.replace(before, after))
    assert main(["sweep", "s.yaml"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


EPOCHS = 250
LONG = SWEEP.replace("max_epochs: 2", f"max_epochs: {EPOCHS}").replace('["8", "16,8"]', '["8"]')


def at_work(folder):
    """Return the trials that have a run with records, if there are two."""
    if not (folder / "runs" / "s" / "sweep.json").is_file():
        return None
    trials = [t for t in Trials(folder / "runs" / "s").all() if t.run is not None]
    busy = [t for t in trials if t.run.checkpoints_there and t.run.place["epoch"] > 1]
    return busy if len(busy) == 2 else None


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1],
)
@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path, number):
    process = sweep("s.yaml", "--jobs", 2, cwd=tmp_path, text=LONG)
    until(lambda: at_work(tmp_path), process)
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "interrupted; resume with: firstlight sweep runs/s" in out
    before = {run.id: run.place["epoch"] for run in list_runs(tmp_path / "runs")}
    assert {run.status for run in list_runs(tmp_path / "runs")} == {"interrupted"}
    check_going_on(tmp_path, before)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(tmp_path):
    process = sweep("s.yaml", "--jobs", 2, cwd=tmp_path, text=LONG)
    until(lambda: at_work(tmp_path), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: {r.status for r in list_runs(tmp_path / "runs")} == {"crashed"})
    for lock in (tmp_path / "runs" / "s").glob("*.lock"):
        lock.unlink()  # of a process killed while it wrote; the others would wait for 30 s
    before = {run.id: run.place["epoch"] for run in list_runs(tmp_path / "runs")}
    check_going_on(tmp_path, before)


def check_going_on(folder, before):
    process = sweep("runs/s", "--jobs", 2, cwd=folder, text=LONG)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    runs = list_runs(folder / "runs")
    assert {run.id for run in runs} == set(before)  # no new runs: these went on
    for run in runs:
        assert run.status == "finished"
        assert len(run.summary["resumed"]) == 1
        epochs = [record["epoch"] for record in run.history.records if "val_loss" in record]
        assert epochs == list(range(1, EPOCHS + 1))
    assert [trial.attempt for trial in Trials(folder / "runs" / "s").all()] == [2, 2]


@pytest.mark.slow
def test_trials_that_all_fail_end_the_sweep_with_the_reason(tmp_path):
    text = SWEEP.replace("name: digits", "name: csv, path: nowhere.csv")
    process = sweep("s.yaml", cwd=tmp_path, text=text)
    out, err = process.communicate()
    assert process.returncode == 1
    assert "the first 3 trials failed, the last one with" in err
    assert "nowhere.csv" in err
    assert out.count("failed") == 3


def test_a_process_that_ends_before_it_has_read_its_trial_has_failed(tmp_path, monkeypatch, capsys):
    (tmp_path / "python").write_text("#!/bin/sh\necho no memory\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "s.yaml").write_text(SWEEP)
    assert main(["sweep", str(tmp_path / "s.yaml"), "--runs_dir", str(tmp_path), "--trials=1"]) == 1
    out = capsys.readouterr().out
    assert "trial 1/1  failed" in out
    assert "no memory; see " in out
    assert "still running" not in out


@pytest.mark.slow
def test_a_misspelled_metric_is_told_at_once_or_after_the_first_trial(tmp_path):
    text = SWEEP.replace("val_loss", "val_los")
    process = sweep("s.yaml", cwd=tmp_path, text=text)
    assert "did you mean 'val_loss'?" in process.communicate()[1]  # whose direction is not known
    assert not (tmp_path / "runs").exists()
    process = sweep("s.yaml", cwd=tmp_path, text=text + "goal: minimize\n")
    out, err = process.communicate()
    assert process.returncode == 1
    assert "trial 1 has finished and logged no val_los; did you mean val_loss?" in err
    assert len(list_runs(tmp_path / "runs")) == 1


@pytest.mark.slow
def test_two_processes_share_a_sweep(tmp_path):
    both = [sweep("s.yaml", cwd=tmp_path) for _ in range(2)]
    told = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    taken = [re.findall(r"^trial (\d)/4", out, re.MULTILINE) for out, _ in told]
    assert sorted(taken[0] + taken[1]) == ["1", "2", "3", "4"]
    assert all(taken)
    assert len(list_runs(tmp_path / "runs")) == 4
