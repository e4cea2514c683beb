"""The main paths, as a user runs them: in a process of its own."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from campaigns import slow_but
from waiting import until

from firstlight.runs.find import latest_run


def run_of(folder):
    return latest_run(folder / "runs").resolve()


OUTPUTS = [">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="of Linux")
@pytest.mark.parametrize("outputs", slow_but(OUTPUTS, ">&- 2>&-", ">/dev/full"))
def test_fit_trains_on_where_its_output_is_closed_or_full(tmp_path, outputs):
    """Python has no sys.stdout where the shell has closed it, as services and >&- do."""
    command = f"{sys.executable} -m firstlight fit --trainer.max_steps 2 {outputs}"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, stderr=subprocess.DEVNULL, env=buffered
    )
    assert done.returncode == 0
    summary = json.loads((run_of(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert "test_acc" in summary["metrics"]


@pytest.mark.slow
def test_plain_fit_reads_digits(shell, tmp_path):
    done = shell("fit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary = json.loads((run_of(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["metrics"]["test_acc"] >= 0.97
    lines = done.stdout.splitlines()
    assert lines[0].startswith("mlp on digits: ")
    assert "1,258 train + 180 val + 359 test samples, cpu, seed 0" in lines[0]
    assert lines[1] == "target: 10 classes (0, 1, 2, 3, 4, 5, ...)"
    accuracy = f"{summary['metrics']['test_acc']:.4f}"
    assert f"test accuracy {accuracy}, test loss" in done.stdout
    assert lines[-2] == f"run: {os.path.join('runs', 'mlp-digits', summary['id'])}"
    assert lines[-1] == "look at it: firstlight tensorboard"
    assert summary["best"]["val_acc"]["epoch"] < summary["epochs"]  # so best is not last
    assert f"test accuracy  {accuracy}" in shell("test", cwd=tmp_path).stdout
    assert (
        f"test loss      {summary['metrics']['test_loss']:.4f}"
        in shell("test", cwd=tmp_path).stdout
    )


@pytest.mark.slow
def test_the_config_of_a_run_runs_again_to_the_same_weights(shell, trained, tmp_path):
    folder, _ = trained
    first = run_of(folder)
    done = shell("fit", "--config", first / "config.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = run_of(tmp_path)
    assert json.loads((again / "config.json").read_text()) == json.loads(
        (first / "config.json").read_text()
    )
    metrics = [json.loads((run / "summary.json").read_text())["metrics"] for run in (first, again)]
    for name in ("train_loss", "val_loss", "test_loss", "test_acc"):
        assert metrics[0][name] == metrics[1][name]


def test_test_repeats_what_fit_said(shell, trained):
    folder, said = trained
    done = shell("test", cwd=folder)
    assert done.returncode == 0, done.stderr
    first, second, *numbers = done.stdout.splitlines()
    assert first == f"mlp-digits/{run_of(folder).name}, best weights"
    assert second == "digits test data, 359 samples"
    (accuracy, loss) = (line.split() for line in numbers)
    assert accuracy[:2] + loss[:2] == ["test", "accuracy", "test", "loss"]
    assert f"test accuracy {accuracy[2]}, test loss {loss[2]}" in said


def test_predict_writes_classes_that_give_the_test_accuracy(shell, trained):
    folder, _ = trained
    assert shell("predict", "--output", "p.csv", cwd=folder).returncode == 0
    with open(folder / "p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    accuracy = np.mean([row["target"] == row["prediction"] for row in rows])
    metrics = json.loads((run_of(folder) / "summary.json").read_text())["metrics"]
    assert accuracy == pytest.approx(metrics["test_acc"])
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)
    assert [row["class"] for row in rows] == [row["prediction"] for row in rows]


def test_a_wrong_name_is_exit_2_and_one_message(shell, tmp_path):
    done = shell("fit", "--model", "mpl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'mlp'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_is_exit_130_and_keeps_the_run(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "firstlight", "fit", "--trainer.max_epochs", "100000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    records = tmp_path.glob
    until(lambda: any(p.stat().st_size for p in records("runs/*/*/metrics.jsonl")), process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert f"interrupted; run: {os.path.join('runs', 'mlp-digits', '')}" in out
    summary = json.loads((run_of(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "interrupted"


def test_help_waits_for_nothing_heavy(tmp_path):
    heavy = ["jsonargparse", "yaml", "rich", "matplotlib", "tensorboardX", "safetensors"]
    code = f"""if 1:
        import sys
        from firstlight.tools.cli.main import main
        assert main(["--help"]) == 0
        print([name for name in {heavy} if name in sys.modules])
        assert main(["fit", "--help"]) == 0
        print([name for name in {heavy[2:]} if name in sys.modules])
        """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.count("\n[]\n") == 2


def test_an_ascii_terminal_gets_question_marks_not_a_crash(shell, tmp_path):
    done = shell("fit", "--help", cwd=tmp_path, PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0
    assert "?. (type: str, default: relu)" in done.stdout


LONG = ["models", "test -h", "fit --help", "explain"]  # some of them


@pytest.mark.parametrize("command", slow_but(LONG, "explain"))
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, command):
    done = subprocess.run(
        f"{sys.executable} -m firstlight {command} | exec true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
