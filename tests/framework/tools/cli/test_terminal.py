"""What files say reaches no terminal as a command, and no spreadsheet as a formula."""

import ast
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from firstlight.tools.cli import main

EVIL = "\x1b[2J\x1b]0;owned\x07\u202egnp\x9b1m\rx"
FORMULA = '=HYPERLINK("http://x","y")'
QUICK = ("--trainer.max_steps", "2", "--trainer.default_callbacks", "false")


@pytest.fixture
def strange(cli, tmp_path):
    """Two runs, into whose files somebody has put escape sequences wherever a text may stand."""
    for seed in (1, 2):
        assert cli("fit", *QUICK, "--seed", seed)[0] == 0
    (tmp_path / "runs").rename(tmp_path / "before")
    (tmp_path / "before" / "mlp-digits").rename(tmp_path / f"runs{EVIL}")
    (tmp_path / "runs").mkdir()
    (tmp_path / f"runs{EVIL}").rename(tmp_path / "runs" / f"a{EVIL}")
    found = sorted((tmp_path / "runs" / f"a{EVIL}").iterdir())
    for run in found:
        summary = json.loads((run / "summary.json").read_text())
        summary["metrics"] |= {f"val_{EVIL}": 0.5, "test_acc": f"0.5{EVIL}"}
        summary["best"] |= {f"val_{EVIL}": {"value": 0.5, "step": 2, "epoch": 1}}
        summary |= {"stopped": EVIL, "error": EVIL, "started": EVIL}
        (run / "summary.json").write_text(json.dumps(summary))
        record = {"step": 3, "epoch": 1, "time": 1.0, f"val_{EVIL}": 0.5, FORMULA: 1.0}
        with open(run / "metrics.jsonl", "a") as file:
            file.write(json.dumps(record) + "\n")
        config = json.loads((run / "config.json").read_text())
        config |= {f"key{EVIL}": f"{run.name}{EVIL}", "model": {**config["model"], EVIL: EVIL}}
        (run / "config.json").write_text(json.dumps(config))
        environment = json.loads((run / "environment.json").read_text())
        environment |= {"command": [EVIL], "python": EVIL, f"more{run.name}": EVIL}
        (run / "environment.json").write_text(json.dumps(environment))
        marks = {"tags": [f"tag{EVIL}"], "note": f"note\n{EVIL}"}
        (run / "marks.json").write_text(json.dumps(marks))
    return found


def commands(runs):
    a, b = runs
    metric = f"val_{EVIL}"
    return [
        ("list",), ("list", "--columns", metric), ("list", "--json"), ("list", "--where", "x > 1"),
        ("list", "--sort", "nothing"), ("show", a), ("show", a, "--json"), ("compare", a, b),
        ("compare", a, b, "--all"), ("compare", a, b, "--metrics", "nothing"),
        ("plot", "-m", metric, a, b), ("plot", "-m", "nothing", a, b), ("diff", a, b),
        ("tag", a), ("tag", a, "more"), ("tag", a, "--remove", "nothing"), ("note", a),
        ("export", a, b), ("export", a, b, "--summary"), ("diverge", a, b), ("show", "nothing"),
        ("rm", b, "--yes"), ("gc", "--failed", "--yes"),
    ]  # fmt: skip


def harmless(text):
    return all(c.isprintable() or c in "\n\t" for c in text)


def test_no_command_on_runs_prints_what_a_terminal_would_obey(cli, strange):
    for command in commands(strange):
        code, out, err = cli("runs", *command)
        assert out + err, command
        assert harmless(out + err), command
        assert "Traceback" not in err
        assert code in (0, 1, 2)


def test_other_commands_on_such_a_run_do_not_either(cli, strange):
    run = strange[0]
    for command in (
        ("test", run), ("validate", run), ("predict", run), ("look", run), ("report", run),
        ("generate", run), ("fit", "--config", run, "--print_config"), ("test", f"no{EVIL}"),
        ("fit", "--model", EVIL), ("fit", f"--{EVIL}"), (EVIL,), ("sweep", run),
        ("check", "--config", run), ("explain", "--config", run), ("tensorboard", f"x{EVIL}"),
    ):  # fmt: skip
        _, out, err = cli(*command)
        assert out + err, command
        assert harmless(out + err), command


def test_class_names_of_a_table_do_not_either(cli, tmp_path):
    names = [f"a{EVIL}", f"=b{EVIL}", "@c"]
    rows = np.random.default_rng(0).normal(size=(90, 2))
    np.savez(tmp_path / "data.npz", x=rows, y=np.arange(90) % 3, classes=names)
    words = ("--data", "data.npz", "--data.batch_size", 3, *QUICK[:2])
    for command in (
        ("data", "show", "data.npz"),
        ("fit", *words),
        ("predict",),
        ("check", *words[:2]),
    ):
        code, out, err = cli(*command)
        assert code in (0, 1), err
        assert harmless(out + err), command
    assert cli("predict", "--output", "out.csv")[0] == 0
    with open("out.csv", newline="") as file:
        cells = {row["class"] for row in csv.DictReader(file)}
    assert {cell[:2] for cell in cells} <= {"a\x1b", "'=", "'@"}


def test_cells_that_would_be_formulas_are_texts(cli, strange):
    run = strange[0]
    marks = {"tags": ["+1+1", "@x"], "note": FORMULA}
    (run / "marks.json").write_text(json.dumps(marks))
    for words in (("--summary",), ()):
        code, out, _ = cli("runs", "export", run, *words, "-o", "out.csv")
        assert code == 0
        with open("out.csv", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        wrong = [c for c in cells if c[:1] in ("=", "+", "@", "\t", "\r")]
        assert wrong == []
        assert f"'{FORMULA}" in cells
        assert {f"'{FORMULA}"} <= {c for c in next(csv.reader(io.StringIO(out)), [])} | set(cells)


def test_a_warning_and_a_traceback_are_made_safe_too(cli, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(f"import warnings\nraise ArithmeticError({EVIL!r})\n")
    for words in ((), ("--debug",)):
        _, out, err = cli("fit", "--model", "mine.py:Net", *words)
        assert "owned" in err
        assert harmless(out + err)
    main._show_warning(EVIL, UserWarning, "f", 1)
    assert harmless(capsys.readouterr().err)


def test_the_command_line_prints_through_one_door():
    for path in sorted(Path(main.__file__).parent.rglob("*.py")):
        allowed = {"text.py": 1, "generate.py": 1}.get(path.name, 0)
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        ]
        to_stdout = [c for c in calls if not any(k.arg == "file" for k in c.keywords)]
        if path.name != "main.py":
            assert len(to_stdout) <= allowed, (
                f"{path.name}: print with firstlight.tools.cli.text.tell"
            )
