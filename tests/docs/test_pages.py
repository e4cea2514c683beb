"""Every block of Python and of shell commands in the pages and the README runs.

Blocks of a page share one folder, and its Python blocks nothing else. A German page has the blocks
of the English one, which are run once. ``console`` blocks are only shown: they install, download or
take long. Blocks with a file as their title quote its lines. The README's commands name data and
runs that are not here; their arguments are resolved, and nothing is trained.
"""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.cli.registry import find, overview

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
QUOTED = re.compile(r'^```python title="(\S+)"\n(.*?)^```$', re.M | re.S)  # lines of a file
GERMAN = [path for path in PAGES if path.name.endswith(".de.md")]
SHOWN = {"console", "diff", "js", "text", "toml", "yaml", "py"}  # py: of other libraries


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


LONG = {  # their blocks train, or start many processes
    "callback-package.md",
    "cli.md",
    "experiments.md",
    "onnx.md",
    "plugins.md",
    "reports.md",
    "figures.md",
    "coming_from.md",
    "fast.md",
    "data.md",
    "model.md",
    "sklearn.md",
}


def takes_long(path):
    return path.parent.name == "course" or path.name in LONG


PARTS = [
    pytest.param(path, id=str(path.relative_to(ROOT)), marks=[pytest.mark.slow] * takes_long(path))
    for path in PAGES
    if path not in GERMAN and any(kind not in SHOWN for kind, _ in blocks(path))
]


@pytest.mark.parametrize("path", PARTS)
def test_blocks_of_a_page(path, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shown = [block for block in blocks(path) if block[0] not in SHOWN]
    for kind, group in itertools.groupby(shown, key=lambda block: block[0]):
        run(kind, *(code for _, code in group), folder=tmp_path)


@pytest.mark.parametrize("path", GERMAN, ids=lambda path: path.name)
def test_a_german_page_has_the_blocks_of_the_english_one(path):
    """Only the English blocks are run; what is merely shown may have German comments."""
    german, english = (
        [(kind, kind not in SHOWN and code) for kind, code in blocks(page)]
        for page in (path, path.with_name(path.name.replace(".de.md", ".md")))
    )
    assert german == english


@pytest.mark.parametrize("path", GERMAN, ids=lambda path: path.name)
def test_a_german_page_links_to_german_pages(path):
    linked = {path.parent / link for link in re.findall(r"\]\(([\w./-]+\.md)", path.read_text())}
    linked -= {path.with_name(path.name.replace(".de.md", ".md"))}  # in the other language
    assert [page.name for page in sorted(linked) if page.with_suffix(".de.md").exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_are_of_a_kind_that_is_run_or_shown(path):
    assert {kind for kind, _ in blocks(path)} <= SHOWN | {"python", "sh"}
    text = path.read_text()
    assert len(BLOCK.findall(text) + QUOTED.findall(text)) * 2 == text.count("```")


QUOTES = [
    pytest.param(file, code, id=f"{path.name}-{index}")
    for path in PAGES
    for index, (file, code) in enumerate(QUOTED.findall(path.read_text()))
]


@pytest.mark.parametrize(("file", "code"), QUOTES)
def test_quoted_lines_are_those_of_the_file(file, code):
    source = (ROOT / file).read_text()
    at_any_depth = [textwrap.indent(code, " " * depth) for depth in range(0, 16, 4)]
    assert any(f"\n{lines}" in source for lines in at_any_depth), code


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_files_that_a_page_names_exist(path):
    tops = "framework|models|callbacks|datasets|tests|examples"
    named = set(re.findall(rf"\b(?:{tops})/[\w./-]+\.(?:py|yaml|md|json)\b", path.read_text()))
    yours = {name for name in named if "my" in Path(name).name}  # that a reader is to write
    assert [name for name in sorted(named - yours) if not (ROOT / name).exists()] == []


CLI = (ROOT / "docs" / "cli.md").read_text()
SHOWN_COMMANDS = [
    line.removeprefix("$ ").split("#")[0].strip()
    for kind, code in blocks(ROOT / "docs" / "cli.md")
    if kind == "console"
    for line in code.splitlines()
    if line.startswith("$ firstlight ")
]


@pytest.mark.parametrize("line", SHOWN_COMMANDS)
def test_commands_of_the_page_of_commands(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    command, *words = shlex.split(line)[1:]
    find([command, *words])  # it is known
    if command == "fit" and "<id>" not in line:
        words = [word for word in words if word != "auto" and word != "--resume"]
        assert main([command, *words, "--print_config"]) == 0, capsys.readouterr().err
    else:
        assert main([command, "--help"]) == 0


COMMANDS = re.findall(r"^  (\w+) ", overview(), re.M)
RUNS = re.findall(r"^  (\w+) ", overview("runs"), re.M)


def section(command):
    found = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", CLI, re.M | re.S)
    assert found, f"docs/cli.md has no section ## {command}"
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_on_its_page(command):
    assert f"(#{command})" in CLI, f"docs/cli.md does not list {command} at its top"
    assert f"$ firstlight {command}" in section(command), f"no example of {command}"


def test_every_command_on_runs_is_on_the_page():
    assert [name for name in RUNS if f"`runs {name}" not in section("runs")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_options_on_the_page_of_commands_exist(command, capsys):
    prose = BLOCK.sub("", section(command))
    named = set(re.findall(r"(?<!\w)--[a-z][\w.-]*", " ".join(re.findall("`(.*?)`", prose))))
    for words in [[command], *(["runs", name] for name in RUNS if command == "runs")]:
        assert main([*words, "--help"]) == 0
    known = set(re.findall(r"(?<!\w)--[a-z][\w.-]*", capsys.readouterr().out))
    assert {name for name in named - known if name.islower()} == set()


def words(text):
    return " ".join(text.split())


@pytest.mark.slow
def test_the_readme_prints_what_it_says(tmp_path):
    (code,) = (code for kind, code in blocks(ROOT / "README.md") if kind == "python")
    shown, verdict = (code for kind, code in blocks(ROOT / "README.md") if kind == "text")
    (tmp_path / "net.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "net.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    last = done.stdout.splitlines()[-2:]
    assert [re.sub(r"[\d.]+", "#", line) for line in last] == [
        re.sub(r"[\d.]+", "#", line) for line in shown.splitlines()
    ]
    accuracy = [float(re.findall(r"test_acc': ([\d.]+)", text)[0]) for text in (shown, done.stdout)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.02)

    wrong = code.replace("self.body.backward(dy)", "self.body.backward(dy / len(dy))")
    (tmp_path / "net.py").write_text(wrong)
    done = subprocess.run(
        [sys.executable, "-m", "firstlight", "check", "net.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert words(verdict) in words(done.stdout)


def test_the_readme_fits_on_a_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_each_step_of_the_course_has_a_page_and_is_short():
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "course").glob("*.md"))
    make = (ROOT / "Makefile").read_text()
    scripts = sorted((ROOT / "examples" / "course").glob("*.py"))
    assert len(scripts) == 12  # nine steps, step 4 in three parts, and images.py, which they share
    for script in scripts:
        lines = [line for line in script.read_text().splitlines() if not line.startswith("#")]
        assert len(lines) <= (120 if script.name == "strategies.py" else 75)
        if script.name != "images.py":
            assert f"python examples/course/{script.name}" in pages
            assert script.stem in make


def test_the_german_page_lists_the_same_steps():
    english, german = (ROOT / "docs" / "course" / name for name in ("index.md", "index.de.md"))
    steps = [
        re.findall(r"\((\d-[\w-]+)(?:\.de)?\.md\).*?((?:`\w+\.py`(?:, )?)+)", p.read_text())
        for p in (english, german)
    ]
    assert steps[0] == steps[1]
    assert len(steps[0]) == 9
