"""A damaged or unreadable run hides no other, and long runs are read in little memory."""

import json
import os
import subprocess
import sys

import pytest

import firstlight as fl
from firstlight.runs import RunFolder, cleaning, list_runs
from firstlight.runs.history import LongHistory
from firstlight.runs.records import read_records
from firstlight.testing import TinyNet, tiny_data

DEEP = "[" * 100_000
FILES = ("summary.json", "environment.json", "config.json", "marks.json", "metrics.jsonl")
CONTENTS = {
    "empty": "",
    "cut": '{"status": "finis',
    "list": "[1, 2]",
    "number": "3",
    "null": "null",
    "deep": DEEP,
    "bytes": b"\xff\xfe\x00",
    "zeros": b"\0" * 1000,
    "other kinds": json.dumps(
        {
            **{"status": [], "metrics": [1], "best": {"val_loss": 3}, "resumed": {"a": 1}},
            **{"steps": "x", "epochs": None, "duration_s": [], "started": 3, "error": {}},
            **{"git": "abc", "packages": [], "gpu": {"name": 1}, "blas": [3], "command": "x"},
            **{"tags": 3, "note": [], "model": 3, "trainer": [], "step": "x", "time_shares": 3},
        }
    ),
    "half": json.dumps({"status": "finished", "best": {}, "git": {}, "tags": [1, None]}),
}
COMMANDS = (
    ("list",),
    ("list", "--json"),
    ("list", "--sort", "status", "--where", "steps >= 0"),
    ("show", "bad/1"),
    ("show", "bad/1", "--json"),
    ("compare", "bad/1", "good/1"),
    ("diff", "bad/1", "good/1"),
    ("export", "bad/1", "good/1", "--summary"),
    ("export", "bad/1", "good/1"),
)


@pytest.fixture
def bad(tmp_path):
    """Two runs, ``good/1`` and ``bad/1``; returns the folder of the latter."""
    for name in ("good", "bad"):
        trainer = fl.Trainer(max_epochs=2, default_callbacks=False, name=name)
        trainer.fit(TinyNet(), tiny_data(), tiny_data())
        trainer.run.path.rename(trainer.run.path.with_name("1"))
    return tmp_path / "runs" / "bad" / "1"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_hides_no_other_run(cli, bad, file):
    for kind, content in CONTENTS.items():
        (bad / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        for command in COMMANDS:
            code, out, err = cli("runs", *command)
            assert code == 0, (kind, command, err)
            if command[0] == "list":
                assert "good/1" in out, (kind, command)
        cleaning.worthless("runs")


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_a_folder_or_a_circle_of_links_hides_no_other_run(cli, bad, file):
    (bad / file).unlink(missing_ok=True)
    for make in (lambda path: path.mkdir(), lambda path: path.symlink_to(path.name)):
        make(bad / file)
        for command in COMMANDS[:3]:
            code, out, err = cli("runs", *command)
            assert code == 0, (command, err)
            assert "good/1" in out
        if (bad / file).is_symlink():
            (bad / file).unlink()
        else:
            (bad / file).rmdir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user")
def test_a_folder_that_another_user_may_not_read_hides_no_other_run(cli, bad, tmp_path):
    os.chmod(tmp_path, 0o755)
    for mode in (0o000, 0o444):
        os.chmod(bad, mode)
        os.seteuid(65534)
        try:
            code, out, err = cli("runs", "list")
        finally:
            os.seteuid(0)
        assert code == 0, err
        assert "good/1" in out


def test_damaged_lines_are_named_and_left_out(bad):
    lines = (bad / "metrics.jsonl").read_text().splitlines()
    more = ['{"step": 7}', '{"step": 8, "epoch": "x"}', "{}, {}", '{"step": 1, "epoch": [1]}']
    (bad / "metrics.jsonl").write_text("\n".join([lines[0], *more, lines[1]]) + "\n")
    with pytest.warns(UserWarning, match="bad/1/metrics.jsonl is damaged: line 2, 3, 4, 5 is no"):
        history = RunFolder(bad).history
    assert len(history["val_loss"]) == 2
    with pytest.raises(ValueError, match="in line 2"):
        read_records(bad)


def test_a_line_without_an_end_is_not_read_whole(bad):
    with (bad / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "epoch": 3, "note": "' + "x" * 3_000_000)
    with pytest.warns(UserWarning, match="is damaged: line 3, 4 is no record"):
        assert len(RunFolder(bad).history["val_loss"]) == 2


def test_a_long_history_tells_what_a_history_tells():
    records = [
        {"step": n, "epoch": 1 + n // 40, "time": n / 8, "train_loss_step": 1 / n}
        for n in range(1, 99)
    ]
    for n in (40, 80):
        record = {"step": n, "epoch": n // 40, "val_loss": 3 / n, "epoch_seconds": 2.5, "odd": n}
        records.insert(n, record)
    records[50]["val_acc"], records[60]["val_acc"] = float("nan"), float("inf")
    plain, long = fl.History(records), LongHistory(iter(records))
    assert list(long) == list(plain)
    assert repr(long) == repr(plain)
    assert repr(long.records) == repr([{k: _as(k, v) for k, v in r.items()} for r in records])
    for name in plain:
        assert repr(long[name]) == repr([float(value) for value in plain[name]])
        assert long.steps(name) == plain.steps(name)
        assert long.at(name, "epoch") == plain.at(name, "epoch")
    assert long.at("train_loss_step", "time") == plain.at("train_loss_step", "time")
    for name in ("train_loss_step", "val_loss"):
        for mode in ("auto", "min", "max"):
            assert long.best(name, mode) == plain.best(name, mode)
    assert long.best("val_acc")["step"] == plain.best("val_acc")["step"]
    assert long.last() == plain.last()
    with pytest.raises(KeyError, match="nothing was logged as 'x'; there are: train_loss_step"):
        long["x"]


def _as(name, value):
    return value if name in ("step", "epoch") else float(value)


@pytest.mark.slow
def test_a_run_of_many_records_is_shown_in_little_memory(bad):
    record = {"time": 0.5, "train_loss_step": 0.25, "train_acc_step": 0.5, "lr": 0.001}
    with (bad / "metrics.jsonl").open("a") as file:
        for step in range(200_000):
            file.write(json.dumps({"step": step, "epoch": 3, **record}) + "\n")
    code = (
        "import resource, sys; from firstlight.tools.cli.main import main; "
        "code = main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    peaks = []
    for run in ("good/1", "bad/1"):
        command = [sys.executable, "-c", code, "runs", "show", run]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 60_000  # kB; dicts take 180 MB


def test_status_of_runs_with_damaged_files_is_crashed(bad):
    (bad / "summary.json").write_text('{"status": ["x"]}')
    assert {run.label: run.status for run in list_runs("runs")}["bad/1"] == "crashed"
