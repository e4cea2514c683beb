"""``firstlight doctor`` as a command: its page, its JSON, its exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doctor_seeds import package

import firstlight
from firstlight.tools.doctor import examination, interpreter
from firstlight.tools.doctor.examination import Examination
from firstlight.tools.doctor.finding import fault, ok, warning
from firstlight.tools.doctor.page import lines

FOUND = Examination(
    [
        ok("Python", "CPython 3.12.1, /home/ada/project/.venv/bin/python"),
        warning("cores", "threads", "OMP_NUM_THREADS=64 " * 8, "threads wait", "export " * 30),
        fault("CuPy", "cupy-twice", "two are installed", "files are mixed", "pip uninstall -y x"),
    ]
)


@pytest.mark.parametrize("width", [60, 120])
def test_the_page_fits_its_width(width):
    page = ["".join(text for text, _ in line) for line in lines(FOUND, width)]
    assert max(map(len, page)) <= width
    assert "\x1b" not in "".join(page)
    assert "FAULT: CuPy: two are installed" in page
    assert page[page.index("FAULT: CuPy: two are installed") + 2] == "  cure  pip uninstall -y x"
    assert page[-1] == "1 fault, 1 warning, 1 ok (0.0 s)"


@pytest.mark.parametrize(("faults", "code"), [(FOUND.findings, 1), (FOUND.findings[:2], 0)])
def test_exit_code_is_1_on_a_fault(faults, code, cli, monkeypatch):
    monkeypatch.setattr(
        "firstlight.tools.cli.commands.doctor.examine", lambda _: Examination(faults)
    )
    ended, out, err = cli("doctor")
    assert (ended, err) == (code, "")
    ended, out, err = cli("doctor", "--json")
    assert (ended, err) == (code, "")
    told = json.loads(out)
    assert told["ok"] is not bool(code)
    assert told["findings"][1]["kind"] == "threads"


def command(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "firstlight", "doctor", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_every_group_finds_something_in_this_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = examination.examine(patience=1e4).findings
    assert {one.group for one in found} == set(examination.GROUPS)
    assert not [one for one in found if one.kind.endswith("-broken")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise ImportError('libgfortran is missing')", "numpy-broken"),
        ("import os; os.abort()  # as a library that was cut off", "numerics-broken"),
    ],
)
def test_doctor_runs_without_numpy(code, kind, tmp_path, monkeypatch):
    """Every other command dies of it."""
    monkeypatch.chdir(tmp_path)
    package(tmp_path / "site", "numpy", "9.9", code=code)
    code, out, err = command("--json", PYTHONPATH=str(tmp_path / "site"))
    assert (code, err) == (1, "")
    kinds = {one["kind"] for one in json.loads(out)["findings"]}
    assert kind in kinds


def test_a_check_that_fails_is_a_fault_itself(monkeypatch):
    def examine(_):
        yield ok("one", "fine")
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(interpreter, "examine", examine)
    first, second = examination.examine(groups=["interpreter"]).findings
    assert (first.state, second.kind) == ("ok", "interpreter-broken")
    assert "ZeroDivisionError: by zero" in second.found


def test_the_page_names_every_kind():
    """Kinds are the words with a hyphen in quotes, but for names of packages and of tables."""
    sources = Path(examination.__file__).parent.glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    kinds = set(re.findall(r'"((?:[a-z0-9]+-)+[a-z0-9]+)"', text))
    page = Path(__file__).parents[4] / "docs" / "howto" / "doctor.md"
    told = set(re.findall(r"`((?:[a-z0-9]+-)+[a-z0-9]+)`", page.read_text(encoding="utf-8")))
    assert kinds - {"entry-points", "impi-rt", "utf-8"} == told


def test_it_knows_every_variable():
    root = Path(firstlight.__file__).parent
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in root.rglob("*.py")
        if "doctor" not in path.relative_to(root).parts
    )
    read = set(re.findall(r"FIRSTLIGHT_[A-Z_]+", text)) - {"FIRSTLIGHT_", "FIRSTLIGHT_API"}
    assert read == set(interpreter.VARIABLES)
