"""The run folder: what a training leaves behind."""

import csv
import json
import os
from pathlib import Path

import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.runs import RunFolder
from firstlight.runs.find import latest_run
from firstlight.runs.records import read_records
from firstlight.support.files import write_atomically


@pytest.fixture
def run(line, line_data):
    trainer = Trainer(max_epochs=2, default_callbacks=False, name="my-run", seed=5)
    trainer.fit(line(), line_data, line_data)
    trainer.test(trainer.module, line_data)
    return trainer.run


def test_summary(run):
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert (summary["name"], summary["epochs"], summary["steps"]) == ("my-run", 2, 6)
    assert {"train_loss", "val_loss", "test_loss"} <= set(summary["metrics"])
    assert summary["best"]["val_loss"]["epoch"] == 2
    assert run.path.parent == Path("runs/my-run").absolute()


def test_metrics_are_kept_line_by_line_and_as_a_table(run):
    records = read_records(run.path)
    assert [r["epoch"] for r in records] == [1, 2]
    with open(run.path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == [r["val_loss"] for r in records]


def test_a_torn_last_line_is_left_out(run):
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 7, "ep')
    assert len(read_records(run.path)) == 2


def test_a_damaged_line_is_not_passed_over(run):
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    (run.path / "metrics.jsonl").write_text("\n".join([lines[0][:9], lines[1], ""]))
    with pytest.raises(ValueError, match="metrics.jsonl is damaged: expected a record"):
        read_records(run.path)


def test_environment_tells_enough_to_repeat_the_run(run):
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["seed"] == 5
    assert environment["device"] == "cpu"
    assert "numpy" in environment["packages"]
    assert environment["command"]


def test_config_of_a_script(run):
    config = json.loads((run.path / "config.json").read_text())
    assert config["trainer"]["max_epochs"] == 2
    assert config["model"] == {"name": "nets:Line", "width": 3, "lr": 0.1}
    assert "Linear(3, 1" in config["facts"]["structure"]


def test_latest_leads_to_the_newest_run(run, line, line_data):
    assert latest_run("runs").resolve() == run.path.resolve()
    trainer = Trainer(max_epochs=1, default_callbacks=False)
    trainer.fit(line(), line_data)
    assert latest_run("runs").resolve() == trainer.run.path.resolve()
    assert trainer.run.path.parent.name == "line"


def test_no_runs_dir_keeps_nothing(line, line_data, quiet):
    Trainer(max_epochs=1, **quiet).fit(line(), line_data)
    assert not list(Path().iterdir())


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_costs_records_not_the_training(line, line_data):
    class FullDisk(fl.Callback):
        def on_train_epoch_start(self, trainer):
            if trainer.epoch == 2:
                trainer.run._metrics.close()
                trainer.run._metrics = Path("/dev/full").open("w")  # noqa: SIM115

    trainer = Trainer(max_epochs=4, callbacks=[FullDisk()], default_callbacks=False)
    with pytest.warns(UserWarning, match="metrics.jsonl cannot be written .*No space") as told:
        history = trainer.fit(line(), line_data)
    assert len(told) == 1
    assert len(history["train_loss"]) == 4
    assert trainer.status == "finished"


def test_summary_says_finished_after_everything_else_is_written(line, line_data, monkeypatch):
    written = []

    def noting(source, target, replace=os.replace):
        replace(source, target)
        written.append(Path(target).name)

    monkeypatch.setattr(os, "replace", noting)
    Trainer(max_epochs=1).fit(line(), line_data)
    assert written[-2:] == ["metrics.csv", "summary.json"]


def test_a_table_that_cannot_be_written_leaves_the_summary_right(line, line_data):
    class Block(fl.Callback):
        def on_train_epoch_end(self, trainer):
            (trainer.run.path / "metrics.csv").mkdir()

    trainer = Trainer(max_epochs=1, callbacks=[Block()], default_callbacks=False)
    with pytest.warns(UserWarning, match="metrics.csv cannot be written"):
        trainer.fit(line(), line_data)
    assert RunFolder(trainer.run.path).status == "finished"


def test_a_script_may_change_its_folder(line, line_data, tmp_path, monkeypatch):
    class Leave(fl.Callback):
        def on_train_epoch_end(self):
            (tmp_path / "elsewhere").mkdir(exist_ok=True)
            monkeypatch.chdir(tmp_path / "elsewhere")

    trainer = Trainer(
        max_epochs=2, callbacks=[Leave(), "model_checkpoint"], default_callbacks=False
    )
    trainer.fit(line(), line_data)
    summary = json.loads((trainer.run.path / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert (tmp_path / "runs").is_dir()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_end_of_a_run_that_cannot_be_written_is_a_warning(line, line_data, monkeypatch):
    class FullDisk(fl.Callback):
        def on_fit_end(self):
            def full(source, target):
                raise OSError(28, "No space left on device")

            monkeypatch.setattr("os.replace", full)

    trainer = Trainer(max_epochs=1, callbacks=[FullDisk()], default_callbacks=False)
    with pytest.warns(UserWarning, match="No space left") as told:
        trainer.fit(line(), line_data)
    table, summary = (str(one.message) for one in told)
    assert "metrics.csv cannot be written" in table
    assert "does not say that it is finished" in summary
    assert trainer.status == "finished"


def test_what_is_no_number_is_strict_json_and_comes_back(tmp_path, line, line_data):
    class Odd(fl.Callback):
        def on_train_epoch_end(self, trainer):
            trainer.log({"val_odd": float("nan"), "up": float("inf"), "down": float("-inf")})

    trainer = fl.Trainer(max_epochs=1, callbacks=[Odd()], default_callbacks=False)
    trainer.fit(line(), line_data)

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    for name in ("metrics.jsonl", "summary.json"):
        text = (trainer.run.path / name).read_text()
        for document in text.splitlines() if name.endswith("l") else [text]:
            json.loads(document, parse_constant=refuse)
    record = read_records(trainer.run.path)[-1]
    assert (repr(record["val_odd"]), record["up"], record["down"]) == (
        "nan",
        float("inf"),
        float("-inf"),
    )


@pytest.mark.parametrize("torn", ["", '{"step": 900, "val_'])
@pytest.mark.parametrize("last", [0, 1, 4, 100])
def test_some_records_are_read_as_among_all(tmp_path, last, torn):
    records = [
        {"step": s, "epoch": 1, "lr": 0.1} | ({"val_loss": 1 / s} if s % 5 == 0 else {})
        for s in range(1, 33)
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "metrics.jsonl").write_text(lines + torn)
    assert read_records(tmp_path) == records
    wanted = [r for r in records if "val_loss" in r or r["step"] > 32 - last]
    assert read_records(tmp_path, only='"val_', last=last) == wanted
