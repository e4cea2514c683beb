"""Every block of Python and of shell commands in the pages and the README runs.

Blocks of a page share one folder, and its Python blocks nothing else. ``console`` blocks are only
shown: they install, download or take long. The README's commands name data and runs that are not
here; their arguments are resolved, and nothing is trained.
"""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.cli.registry import find

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SHOWN = {"console", "text", "toml", "yaml"}
SLOW = {"5-experiments.md", "6-cnn.md", "7-transformer.md", "9-report.md"}


def blocks(path):
    return [found.groups() for found in BLOCK.finditer(path.read_text())]


EACH_ALONE = """
import json, sys
for block in json.loads(sys.argv[1]):
    exec(compile(block, "<block>", "exec"), {"__name__": "__main__"})
"""


def run(kind, *codes, folder):
    """Run blocks that follow each other, in one process; those of Python share no name."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "error",
    }
    environment.pop("FIRSTLIGHT_DATA", None)  # the course then trains on digits
    if kind == "python":
        words = [sys.executable, "-c", EACH_ALONE, json.dumps(codes)]
    else:
        words = ["bash", "-ec", "\n".join(f"(\n{code}\n)" for code in codes)]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    told = "\n".join([*codes, done.stdout[-2000:], done.stderr[-4000:]])
    assert done.returncode == 0, told


PARTS = [
    pytest.param(
        path, id=str(path.relative_to(ROOT)), marks=[pytest.mark.slow] * (path.name in SLOW)
    )
    for path in PAGES
    if any(kind not in SHOWN for kind, _ in blocks(path))
]


@pytest.mark.parametrize("path", PARTS)
def test_blocks_of_a_page(path, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shown = [block for block in blocks(path) if block[0] not in SHOWN]
    for kind, group in itertools.groupby(shown, key=lambda block: block[0]):
        run(kind, *(code for _, code in group), folder=tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_are_of_a_kind_that_is_run_or_shown(path):
    assert {kind for kind, _ in blocks(path)} <= SHOWN | {"python", "sh"}
    assert len(BLOCK.findall(path.read_text())) * 2 == path.read_text().count("```")


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_files_that_a_page_names_exist(path):
    tops = "framework|models|callbacks|datasets|tests|examples"
    named = set(re.findall(rf"\b(?:{tops})/[\w./-]+\.(?:py|yaml|md|json)\b", path.read_text()))
    yours = {name for name in named if "my" in Path(name).name}  # that a reader is to write
    assert [name for name in sorted(named - yours) if not (ROOT / name).exists()] == []


def test_python_of_the_readme(tmp_path):
    # One file from top to bottom, as it is read.
    code = "".join(code for kind, code in blocks(ROOT / "README.md") if kind == "python")
    run("python", code, folder=tmp_path)


README_COMMANDS = [
    line.split("#")[0].strip()
    for kind, code in blocks(ROOT / "README.md")
    if kind == "sh"
    for line in code.splitlines()
    if line.startswith("firstlight ")
]


@pytest.mark.parametrize("line", README_COMMANDS)
def test_commands_of_the_readme(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    command, *words = shlex.split(line)[1:]
    find([command])  # it is known
    if command == "fit" and "<id>" not in line:
        words = [word for word in words if word != "auto" and word != "--resume"]
        assert main([command, *words, "--print_config"]) == 0, capsys.readouterr().err
    else:
        assert main([command, "--help"]) == 0


def test_each_step_of_the_course_has_a_page_and_is_short():
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "course").glob("*.md"))
    make = (ROOT / "Makefile").read_text()
    scripts = sorted((ROOT / "examples" / "course").glob("*.py"))
    assert len(scripts) == 10  # nine steps, and images.py, which they share
    for script in scripts:
        limit = 110 if script.name == "strategies.py" else 75
        assert len(script.read_text().splitlines()) <= limit
        if script.name != "images.py":
            assert f"python examples/course/{script.name}" in pages
            assert script.stem in make


def test_the_german_page_lists_the_same_steps():
    english, german = (ROOT / "docs" / "course" / name for name in ("index.md", "index.de.md"))
    steps = [
        re.findall(r"\((\d-[\w-]+\.md)\).*?`(\w+\.py)`", p.read_text()) for p in (english, german)
    ]
    assert steps[0] == steps[1]
    assert len(steps[0]) == 9
