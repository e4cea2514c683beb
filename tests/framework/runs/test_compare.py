"""Comparing, exporting and deleting runs."""

import csv
import io
import json
from pathlib import Path

import pytest

from firstlight.runs import RunFolder, cleaning, compare, export, list_runs, run_files
from firstlight.runs.find import latest_run


def test_only_what_differs_is_shown(make_run):
    runs = [
        make_run("a/1", model={"name": "mlp", "lr": 0.1, "hidden": [64]}, name="x", facts={"n": 1}),
        make_run("a/2", model={"name": "mlp", "lr": 0.2, "hidden": [64]}, name="y", facts={"n": 2}),
        make_run("a/3", model={"name": "mlp", "lr": 0.1}),
    ]
    assert compare.differences(runs) == {
        "model.lr": [0.1, 0.2, 0.1],
        "model.hidden": [[64], [64], None],
    }
    assert compare.differences(runs[:1]) == {}
    assert set(compare.differences(runs, everything=True)) == {
        *("model.name", "model.lr", "model.hidden", "seed"),
    }


def test_results_are_best_min_max_or_last(make_run):
    runs = [make_run("a/1", [0.3, 0.1, 0.2], tests={"test_acc": 0.9}), make_run("a/2", [0.4])]
    assert compare.results(runs)["val_loss"] == [0.1, 0.4]
    assert compare.results(runs)["val_acc"] == [0.9, 0.6]
    assert compare.results(runs)["test_acc"] == [0.9, None]
    assert compare.results(runs, "last")["val_loss"] == [0.2, 0.4]
    assert compare.results(runs, "max")["val_loss"] == [0.3, 0.4]
    assert compare.results(runs, "min", ["val_acc"]) == {"val_acc": [0.7, 0.6]}
    with pytest.raises(KeyError, match="no run has 'val_los'; there are: val_loss"):
        compare.results(runs, metrics=["val_los"])
    with pytest.raises(ValueError, match="expected one of best, min, max, last, got 'mean'"):
        compare.results(runs, "mean")


def test_the_best_of_several_runs():
    assert compare.best_indices("val_loss", [0.3, None, 0.1]) == [2]
    assert compare.best_indices("val_acc", [0.3, float("nan"), 0.3]) == [0, 2]
    assert compare.best_indices("val_acc", [0.3, 0.1], "min") == [1]
    assert compare.best_indices("val_acc", [None]) == []


def test_labels_tell_runs_apart(make_run):
    runs = [
        make_run("a/2026_aaaa", model={"lr": 0.1, "hidden": [64, 32]}),
        make_run("a/2026_bbbb", model={"lr": 0.25, "hidden": [64]}),
    ]
    assert compare.short_labels(runs) == ["aaaa  lr=0.1 hidden=64,32", "bbbb  lr=0.25 hidden=64"]
    assert compare.short_labels(runs[:1]) == ["aaaa"]
    runs.append(make_run("b/2026_cccc", model={"lr": 0.1, "hidden": [64, 32]}))
    assert compare.short_labels(runs)[2] == "b/cccc  lr=0.1 hidden=64,32"


def test_changes_of_settings_machine_and_code(make_run):
    one, other = make_run("a/1"), make_run("a/2", seed=3)
    for run, version, patch in ((one, "2.0", "+x = 1\n"), (other, "2.1", "+x = 2\n")):
        environment = {"packages": {"numpy": version}, "command": [run.id], "git": None}
        (run.path / "environment.json").write_text(json.dumps(environment))
        (run.path / "diff.patch").write_text(patch)
    assert compare.settings_changed(one, other) == {"seed": (0, 3)}
    assert compare.environment_changed(one, other) == {"packages.numpy": ("2.0", "2.1")}
    lines = compare.code_changed(one, other)
    assert lines[-2:] == ["-+x = 1", "++x = 2"]
    assert compare.code_changed(one, one) == []


def test_commits_that_are_not_here_are_named(make_run):
    runs = [make_run("a/1"), make_run("a/2")]
    for run, commit in zip(runs, ("0" * 40, "1" * 40), strict=True):
        environment = {"git": {"commit": commit, "branch": "main", "dirty": False}}
        (run.path / "environment.json").write_text(json.dumps(environment))
    (line,) = compare.code_changed(*runs)
    assert line.startswith("# the commits cannot be compared here; in their repository: git diff")


def test_records_and_results_as_csv(make_run):
    runs = [make_run("a/1", [0.5, 0.25]), make_run("a/2", [0.4], tests={"test_acc": 0.75})]
    rows = list(csv.DictReader(io.StringIO(export.as_csv(export.records_table(runs)))))
    assert [(row["run"], float(row["val_loss"])) for row in rows] == [
        ("a/1", 0.5),
        ("a/1", 0.25),
        ("a/2", 0.4),
    ]
    rows = export.results_table(runs)
    assert [row["best.val_loss"] for row in rows] == [0.25, 0.4]
    assert rows[0]["model.hidden"] == "64,32"
    assert rows[1]["test_acc"] == 0.75
    export.write(rows, "results.csv")
    lines = Path("results.csv").read_text().splitlines()
    assert list(csv.DictReader(lines))[0]["test_acc"] == ""
    with pytest.raises(ValueError, match=r"ends in .csv or .parquet, got 'results.xls'"):
        export.write(rows, "results.xls")


def test_records_and_results_as_parquet(make_run):
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = [make_run("a/1", [0.5, 0.25]), make_run("a/2", [0.4], model={"lr": "auto"})]
    export.write(export.records_table(runs), "records.parquet")
    assert parquet.read_table("records.parquet").to_pylist() == export.records_table(runs)
    export.write(export.results_table(runs), "results.parquet")
    rows = parquet.read_table("results.parquet").to_pylist()
    assert [row["model.lr"] for row in rows] == ["0.1", "auto"]


def test_deleted_runs_are_gone_and_latest_is_the_newest_of_the_rest(make_run):
    make_run("a/2026-01-01_00-00-00_aaaa")
    make_run("b/2026-01-01_00-00-01_bbbb")
    Path("runs/latest").write_text("b/2026-01-01_00-00-01_bbbb\n")
    cleaning.remove(list_runs()[1:], "runs")
    assert not Path("runs/b").exists()
    assert latest_run("runs").name.endswith("aaaa")
    cleaning.remove(list_runs(), "runs")
    assert list(Path("runs").iterdir()) == []


def test_a_running_run_is_not_deleted_nor_are_others_with_it(make_run, line, line_data):
    import firstlight as fl

    make_run("a/1")

    class Delete(fl.Callback):
        def on_train_epoch_end(self):
            with pytest.raises(ValueError, match="is still running; stop it first"):
                cleaning.remove(list_runs(), "runs")
            assert len(list_runs()) == 2
            assert cleaning.worthless("runs") == ([], [])

    fl.Trainer(max_epochs=1, callbacks=[Delete()], default_callbacks=False).fit(line(), line_data)


def test_worthless_is_what_ended_badly_with_nothing_to_keep(make_run):
    make_run("a/1")
    make_run("a/2", status="running")
    make_run("a/3", status="failed")
    kept = make_run("a/4", status="failed")
    run_files.tag(kept.path, ["look-into-it"])
    resumable = make_run("a/5", status="interrupted")
    broken = make_run("a/6", status="failed")
    for run in (resumable, broken):
        (run.path / "checkpoints").mkdir()
        (run.path / "checkpoints" / "last.safetensors").write_bytes(b"x")
    left = resumable.path / ".summary.json.ab3d_f9x"
    left.write_text("{")
    (resumable.path / ".notes").write_text("mine")
    runs, files = cleaning.worthless("runs")
    assert ([run.id for run in runs], files) == (["2", "3"], [left])
    assert [run.id for run in cleaning.worthless("runs", failed=True)[0]] == ["2", "3", "6"]
    assert cleaning.size(left) == 1
    assert RunFolder(kept.path).tags == ["look-into-it"]
