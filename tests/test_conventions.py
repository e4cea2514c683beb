"""The project's conventions, as tests."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import firstlight

ROOT = Path(__file__).parents[1]
FOLDERS = {"framework": "firstlight"} | {
    name: f"firstlight.{name}" for name in ("models", "callbacks", "datasets")
}
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if "templates" not in path.parts
)
TESTS_TOO = SOURCES + sorted((ROOT / "tests").rglob("*.py")) + sorted(ROOT.glob("*/*.py"))


def imports(path):
    """Yield the dotted names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted(set(TESTS_TOO)), ids=relative)
def test_imports_are_absolute_and_by_the_one_name(path):
    for name in imports(path):
        assert not name.startswith("."), f"relative import of {name}"
        assert name.split(".")[0] not in FOLDERS, f"imports {name}; say firstlight..."


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_the_engine_imports_none_of_its_siblings(path):
    if path.is_relative_to(ROOT / "framework"):
        for name in imports(path):
            assert not name.startswith(("firstlight.models", "firstlight.callbacks"))
            assert not name.startswith("firstlight.datasets")


@pytest.mark.parametrize("path", sorted(set(TESTS_TOO)), ids=relative)
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= 400, "more than one concept? above 300 lines, look for the second one"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=relative)
def test_no_test_goes_by_the_clock(path):
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    for call in calls:
        limits = [k for k in call.keywords if k.arg == "timeout"]
        assert not limits, f"line {call.lineno}: a limit of time fails on a busy machine"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_cupy_is_imported_in_the_backend_only(path):
    if any(name.split(".")[0] == "cupy" for name in imports(path)):
        assert relative(path) in ("framework/support/backend.py", "framework/distributed/nccl.py")


def test_pyproject_lists_every_package():
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            if "templates" not in init.parts:
                inner = init.parent.relative_to(ROOT / folder).parts
                found.add(".".join((package, *inner)))
    template = "firstlight.plugin_template"  # examples/third_party_plugin, for `plugins new`
    assert listed == found | {template}


def modules():
    packages = [importlib.import_module(name) for name in FOLDERS.values()]
    for package in packages:
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__"):
                yield info.name


@pytest.mark.parametrize("name", sorted(set(modules())))
def test_what_all_lists_exists_and_is_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__, "a module starts with what it is for"
    for public in getattr(module, "__all__", ()):
        assert getattr(module, public).__doc__


@pytest.mark.parametrize("name", sorted(set(modules())))
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    firstlight.seed_everything(0)
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0, f"{found.failed} of {found.attempted} examples failed, see above"


def test_heavy_packages_are_imported_when_needed_only():
    heavy = ("matplotlib", "tensorboardX", "cupy", "jsonargparse", "rich", "pooch", "safetensors")
    code = f"import sys, firstlight; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
