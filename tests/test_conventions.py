"""The project's conventions, as tests."""

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from syntax import nodes

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
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EVERYTHING = sorted({*SOURCES, *TESTS, *ROOT.glob("*/*.py")})


def imports(path):
    """Yield the dotted names that a file imports."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path):
    return str(path.relative_to(ROOT))


def imported(paths, wrong):
    """Return ``{file: names}`` of the imports for which ``wrong(name)`` is true."""
    found = {relative(path): [name for name in imports(path) if wrong(name)] for path in paths}
    return {path: names for path, names in found.items() if names}


def test_imports_are_absolute_and_by_the_one_name():
    found = imported(EVERYTHING, lambda name: name.split(".")[0] in {"", *FOLDERS})
    assert found == {}, "import firstlight..., by its whole name"


def test_the_engine_imports_none_of_its_siblings():
    siblings = tuple(name for name in FOLDERS.values() if name != "firstlight")
    engine = [path for path in SOURCES if path.is_relative_to(ROOT / "framework")]
    assert imported(engine, lambda name: name.startswith(siblings)) == {}


def test_cupy_is_imported_in_the_backend_only():
    found = imported(SOURCES, lambda name: name.split(".")[0] == "cupy")
    assert set(found) <= {"framework/support/backend.py", "framework/distributed/nccl.py"}


def test_files_are_short():
    lines = {relative(path): len(path.read_text().splitlines()) for path in EVERYTHING}
    long = {path: count for path, count in lines.items() if count > 400}
    assert long == {}, "more than one concept? above 300 lines, look for the second one"


def opens_text_by_the_system(call):
    """Return whether a call reads or writes text in the encoding of the system."""
    if any(keyword.arg == "encoding" for keyword in call.keywords):
        return False
    if isinstance(call.func, ast.Attribute):  # read_text(encoding), write_text(text, encoding)
        return {"read_text": 0, "write_text": 1}.get(call.func.attr) == len(call.args)
    if not isinstance(call.func, ast.Name) or call.func.id != "open":
        return False
    mode = [*(one.value for one in call.keywords if one.arg == "mode"), *call.args[1:2]]
    return not mode or (isinstance(mode[0], ast.Constant) and "b" not in mode[0].value)


def test_texts_have_an_encoding():
    """Without one, Windows takes cp1252."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Call) and opens_text_by_the_system(node)
    ]
    assert found == []


def test_no_test_goes_by_the_clock():
    calls = [(path, node) for path in TESTS for node in nodes(path) if isinstance(node, ast.Call)]
    limits = [
        f"{relative(path)}:{call.lineno}"
        for path, call in calls
        if any(keyword.arg == "timeout" for keyword in call.keywords)
    ]
    assert limits == [], "a limit of time fails on a busy machine"


def test_tests_that_other_files_name_exist():
    pages = [".ci/run", "Makefile", "pyproject.toml", "tests/gpu/suite.txt", *ROOT.glob("*.md")]
    pages += (ROOT / "docs").rglob("*.md")
    named = {
        (found, relative(ROOT / page))
        for page in pages
        for found in re.findall(r"\btests/(?!\S*/test_my)[\w./]*\w", (ROOT / page).read_text())
    }
    assert {(found, page) for found, page in named if not (ROOT / found).exists()} == set()


def test_pyproject_lists_every_package():
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            if "templates" not in init.parts:
                inner = init.parent.relative_to(ROOT / folder).parts
                found.add(".".join((package, *inner)))
    copied = {"plugin_template", "starter_pages", "starter_scripts"}  # by `plugins new`, `starters`
    assert listed == found | {f"firstlight.{name}" for name in copied}


def modules():
    """Return the dotted names of all modules."""
    packages = [importlib.import_module(name) for name in FOLDERS.values()]
    names = {package.__name__ for package in packages}
    for package in packages:
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            names.add(info.name)
    return sorted(name for name in names if not name.endswith("__main__"))


def test_what_all_lists_exists_and_is_documented():
    for name in modules():
        module = importlib.import_module(name)
        assert module.__doc__, f"{name}: a module starts with what it is for"
        for public in getattr(module, "__all__", ()):
            assert getattr(module, public).__doc__, f"{name}.{public}"


def has_examples(name):
    return ">>>" in Path(importlib.util.find_spec(name).origin).read_text()


@pytest.mark.parametrize("name", list(filter(has_examples, modules())))
def test_examples_in_docstrings(name):
    if "kernel_checker" in name and not shutil.which("g++"):
        pytest.skip("needs g++")
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert found.failed == 0, f"{found.failed} of {found.attempted} examples failed, see above"


def test_heavy_packages_are_imported_when_needed_only():
    heavy = ("matplotlib", "tensorboardX", "cupy", "jsonargparse", "rich", "pooch", "safetensors")
    code = f"import sys, firstlight; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
