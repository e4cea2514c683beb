"""A package of an extra that is missing is named before any work begins."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from firstlight import tools
from firstlight.support.extras import installed
from firstlight.tools.cli.main import main

ROOT = Path(__file__).parents[3]
SWEEP = "{trials: 2, metric: val_loss, fit: {}, parameters: {model.lr: [0.1, 0.01]}}"
WITHOUT = (
    "import runpy, sys\n"
    "sys.modules[sys.argv[1]], sys.argv = None, sys.argv[2:]\n"
    "sys.path.insert(0, str(__import__('pathlib').Path(sys.argv[0]).parent))\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.mark.parametrize(
    ("command", "package", "who", "extra"),
    [
        ("report", "typst", "a report or poster", "report"),
        ("poster", "tylax", "a report or poster", "report"),
        ("tensorboard .", "tensorboard", "this command", "tensorboard"),
        ("sweep s.yaml", "optuna", "a sweep", "optuna"),
        ("runs export latest -o x.parquet", "pyarrow", "a Parquet file", "parquet"),
        ("fit --model gpt --data t.txt --data.tokenizer gpt2", "tiktoken", "tokenizer", "gpt2"),
    ],
)
def test_a_command_names_it_and_leaves_nothing(
    command, package, who, extra, monkeypatch, tmp_path, capsys
):
    (tmp_path / "s.yaml").write_text(SWEEP)
    (tmp_path / "t.txt").write_text("to be or not to be " * 99)
    for name in [name for name in sys.modules if name.startswith("firstlight.tools.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tools, "report", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(command.split()) == 1
    err = capsys.readouterr().err
    assert re.search(rf"{who}.* needs the package {package}", err)
    assert f"pip install 'firstlight[{extra}]'" in err
    assert "--debug" not in err  # a traceback would say no more
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.yaml", "t.txt"]


def test_the_course_says_it_before_it_trains(tmp_path):
    script = ROOT / "examples/course/9_poster.py"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "typst", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert (
        "needs the package typst; install it with: pip install 'firstlight[report]'"
        in (done.stderr.splitlines()[-1])
    )
    assert list(tmp_path.iterdir()) == []


def test_every_extra_that_is_named_is_there():
    with open(ROOT / "pyproject.toml", "rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    sources = [
        p for name in ("framework", "callbacks", "datasets") for p in ROOT.glob(name + "/**/*.py")
    ]
    named = {
        extra
        for path in sources
        for pair in re.findall(r"firstlight\[(\w+)\]|extra=\"(\w+)\"", path.read_text())
        for extra in pair
        if extra
    }
    assert named <= extras
    assert len(named) > 5


def test_a_module_is_looked_for_without_importing_it(monkeypatch):
    assert installed("numpy")
    assert not installed("no_such_package")
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert not installed("numpy")
