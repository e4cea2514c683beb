"""A run's folder, to look at."""

import json
import math
import os
import platform
import subprocess
import sys
import time

import pytest
from waiting import until

import firstlight as fl
from firstlight.runs import RunFolder, find_run, list_runs, machine_rows, run_files
from firstlight.runs.processes import alive
from firstlight.runs.run_files import read_status


def test_a_real_run_is_read_as_it_was(line, line_data):
    trainer = fl.Trainer(max_epochs=3, default_callbacks=False, name="real")
    trainer.fit(line(), line_data, line_data)
    run = RunFolder(trainer.run.path)
    assert (run.name, run.label, run.status) == ("real", f"real/{run.id}", "finished")
    assert run.history.records == trainer.history.records
    assert run.metrics == trainer.metrics
    assert run.best["val_loss"]["value"] == trainer.history.best("val_loss")["val_loss"]
    assert (run.place["step"], run.place["epoch"]) == (trainer.step, 3)
    assert run.config["trainer"]["max_epochs"] == 3
    assert run.environment["packages"]["numpy"]
    assert run.value("val_loss", "last") == trainer.history["val_loss"][-1]
    assert run.value("val_loss", "max") == max(trainer.history["val_loss"])


def test_the_machine_in_a_few_lines(line, line_data):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False)
    trainer.fit(line(), line_data)
    told = dict(machine_rows(RunFolder(trainer.run.path).environment))
    assert told["Python"] == platform.python_version()
    assert told["CPU"].endswith(" cores")
    assert told["BLAS"].endswith(" threads)")
    assert told["firstlight"] == fl.__version__
    assert "GPU" not in told
    gpu = {"name": "H100", "memory_gb": 85.0, "cuda": 12080, "driver": 12090}
    git = {"commit": "0123456789abcdef", "branch": "main", "dirty": True}
    assert machine_rows({"gpu": gpu, "git": git, "blas": "openblas"}) == [
        ("BLAS", "openblas"),
        ("GPU", "H100, 85.0 GB, CUDA 12080, driver 12090"),
        ("code", "0123456789ab on main, changed"),
    ]
    assert machine_rows({}) == []


def test_while_it_trains_a_run_is_running_and_shows_what_there_is(line, line_data):
    seen = []

    class Look(fl.Callback):
        def on_train_epoch_end(self, trainer):
            run = RunFolder(trainer.run.path)
            seen.append((run.status, run.place["epoch"], run.metrics["val_loss"], run.best))

    trainer = fl.Trainer(max_epochs=2, callbacks=[Look()], default_callbacks=False)
    trainer.fit(line(), line_data, line_data)
    losses = trainer.history["val_loss"]
    assert [one[:3] for one in seen] == [("running", 1, losses[0]), ("running", 2, losses[1])]
    assert seen[1][3]["val_loss"]["value"] == min(losses)
    assert RunFolder(trainer.run.path).status == "finished"


def test_a_crashed_run_tells_its_best_and_last_from_the_records(make_run):
    run = make_run("a/1", losses=[0.9, *[0.2] * 3, *[0.5] * 200], status="running")
    assert run.status == "crashed"
    assert run.metrics["val_loss"] == 0.5
    assert run.best["val_loss"] == {"value": 0.2, "step": 20, "epoch": 2}
    assert run.place == {"step": 2040, "epoch": 204, "time": 204.0}


def test_a_process_of_ours_that_is_alive_counts_as_running_until_it_is_silent(make_run):
    run = make_run("a/1", status="running", pid=os.getppid())
    assert RunFolder(run.path).status == "running"
    before = time.time() - 61
    os.utime(run.path / "summary.json", (before, before))
    assert RunFolder(run.path).status == "crashed"


def test_a_run_on_another_machine_is_judged_by_its_heartbeat(make_run):
    run = make_run("a/1", status="running")
    summary = json.loads((run.path / "summary.json").read_text()) | {"hostname": "elsewhere"}
    (run.path / "summary.json").write_text(json.dumps(summary))
    assert read_status(run.path) == "running"
    before = time.time() - 61
    os.utime(run.path / "summary.json", (before, before))
    assert read_status(run.path) == "crashed"


@pytest.mark.skipif(platform.system() != "Linux", reason="looks into /proc")
def test_a_dead_process_that_nobody_has_asked_for_is_not_alive():
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    assert alive(process.pid)
    process.stdin.close()  # which ends it
    until(lambda: not alive(process.pid))
    os.kill(process.pid, 0)  # it is still in the system's table
    process.wait()
    assert not alive(process.pid)
    assert alive(os.getpid())
    assert not alive(0)


def test_damaged_and_missing_files_leave_a_run_that_can_be_listed(make_run):
    run = make_run("a/1")
    for name, content in (("summary.json", "{"), ("environment.json", "[]"), ("config.json", "")):
        (run.path / name).write_text(content)
    (run.path / "metrics.jsonl").unlink()
    (run,) = list_runs()
    assert (run.status, run.config, run.environment, run.metrics) == ("crashed", {}, {}, {})
    assert (run.history.records, run.best, run.tags, run.note) == ([], {}, [], "")
    assert run.place == {"step": 0, "epoch": 0, "time": 0}


def test_what_is_no_number_is_a_float_again(make_run):
    run = make_run("a/1")
    summary = json.loads((run.path / "summary.json").read_text())
    summary["metrics"]["val_loss"] = "NaN"
    (run.path / "summary.json").write_text(json.dumps(summary))
    assert math.isnan(RunFolder(run.path).metrics["val_loss"])


def test_runs_are_found_by_path_name_id_and_its_end(make_run):
    old = make_run("a/2026-01-01_00-00-00_aaaa")
    new = make_run("a/2026-01-01_00-00-01_bbbb")
    other = make_run("b/2026-01-01_00-00-02_cccc")
    assert [run.label for run in list_runs()] == [old.label, new.label, other.label]
    assert find_run().label == other.label
    for name in ("a", new.label, "runs/a", new.path, new.id, "bbbb"):
        assert find_run(name).label == new.label
    assert find_run("aaaa").path.is_absolute()
    with pytest.raises(FileNotFoundError, match="no run c in runs; the newest are: b/2026.*_cccc"):
        find_run("c")
    with pytest.raises(FileNotFoundError, match="no run in empty; make one with"):
        find_run(runs_dir="empty")


def test_tags_and_notes_are_kept_beside_what_the_training_writes(make_run):
    run = make_run("a/1")
    assert run_files.tag(run.path, ["good", "x"]) == ["good", "x"]
    assert run_files.tag(run.path, ["good"], ["x"]) == ["good"]
    run_files.note(run.path, "the first that works")
    again = RunFolder(run.path)
    assert (again.tags, again.note) == (["good"], "the first that works")
    with pytest.raises(ValueError, match="got 'two words'"):
        run_files.tag(run.path, ["two words"])
    assert RunFolder(run.path).tags == ["good"]
