"""firstlight fit --resume, and other ways in which a run is used again."""

import json
import subprocess
import sys

import pytest

from firstlight.runs.find import latest_run
from firstlight.runs.records import read_records


def test_resume_goes_on_where_a_run_stopped(cli, tmp_path):
    settings = ["--model.hidden", "8", "--name", "r", "--lr_schedule.total_steps", "120"]
    code, out, _ = cli("fit", "--trainer.max_steps", "50", *settings)
    assert code == 0
    run = latest_run(tmp_path / "runs")
    code, out, _ = cli("fit", "--trainer.max_steps", "90", "--resume", "last", *settings)
    assert code == 0
    assert latest_run(tmp_path / "runs") == run
    cli("fit", "--trainer.max_steps", "90", *settings)
    whole = latest_run(tmp_path / "runs")
    assert whole != run

    def values(folder):
        return [(r["step"], r.get("train_loss"), r.get("val_loss")) for r in read_records(folder)]

    assert values(run) == values(whole)
    tests = [
        json.loads((f / "summary.json").read_text())["metrics"]["test_loss"] for f in (run, whole)
    ]
    assert tests[0] == tests[1]


def test_nothing_to_resume(cli):
    code, _, err = cli("fit", "--resume", "last")
    assert code == 1
    assert "no run called mlp-digits in runs has a checkpoint" in err


def test_the_config_of_a_run_limited_by_time_runs_again(cli, tmp_path):
    assert cli("fit", "--trainer.max_time", "0.2", "--name", "t")[0] == 0
    config = latest_run(tmp_path / "runs") / "config.json"
    assert json.loads(config.read_text())["callbacks"] == {}
    assert cli("fit", "--config", config)[0] == 0


@pytest.mark.slow
def test_a_training_whose_output_nobody_reads_goes_on_to_its_end(tmp_path):
    command = f"{sys.executable} -m firstlight fit --trainer.max_epochs 2 | exec true; "
    done = subprocess.run(
        ["bash", "-c", command + "exit ${PIPESTATUS[0]}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "standard output cannot be written" in done.stderr
    summary = json.loads((latest_run(tmp_path / "runs") / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert "test_acc" in summary["metrics"]


def test_a_runs_model_is_as_it_was(cli, refused):
    cli("fit", "--trainer.max_epochs", "1")
    assert "unknown argument --model.activation; a run's model" in refused(
        "test", "--model.activation", "tanh"
    )


def test_none_in_a_file_is_of_no_other_type(refused, tmp_path):
    (tmp_path / "x.yaml").write_text("model: {name: mlp, lr: null}")
    assert "x.yaml: model.lr: expected float, got None" in refused("fit", "--config", "x.yaml")


def test_a_damaged_config_is_named(cli, refused, tmp_path):
    cli("fit", "--trainer.max_epochs", "1")
    path = latest_run(tmp_path / "runs") / "config.json"
    for damaged in ("{", "", "[]"):
        path.write_text(damaged)
        assert "config.json cannot be used: " in refused("test")
