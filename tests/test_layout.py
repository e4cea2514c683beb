"""Who may import whom; docs/architecture.md shows it as a picture."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from syntax import nodes

from firstlight import PLACES

ROOT = Path(__file__).parents[1]
LESSONS = {"support", "parameter", "module"}
ENGINE = {
    "callback",
    "checkpoints",
    "data",
    "distributed",
    "fast",
    "hookspecs",
    "metrics",
    "nn",
    "optim",
    "plugins",
    "runs",
    "training",
} | LESSONS

# What each package, or file at the top of framework/, may import besides itself.
ALLOWED = {
    "support": {"parameter", "module", "callback"},
    "parameter": {"support"},
    "module": {"support", "parameter"},
    "callback": {"support"},
    "hookspecs": set(),
    "metrics": LESSONS,
    "nn": LESSONS,
    "optim": LESSONS,
    "fast": LESSONS | {"nn", "optim", "data"},
    "data": LESSONS,
    "checkpoints": LESSONS | {"runs"},
    "runs": LESSONS | {"checkpoints"},
    "distributed": LESSONS | {"nn"},
    "training": ENGINE,
    "plugins": ENGINE,
    "trainer": ENGINE,
    "testing": ENGINE | {"trainer"},
    "tools": ENGINE | {"trainer", "testing"},
    "models": ENGINE,
    "callbacks": ENGINE | {"trainer", "tools"},
    "datasets": ENGINE,
    "__init__": ENGINE | {"trainer"},
    "__main__": {"tools"},
}
EXCEPTIONS = {
    "firstlight.data.loader -> firstlight.distributed.sharding": "a loader draws for its rank only",
    "firstlight.fast.blocked.batchnorm -> firstlight.distributed.normalisation": "several ranks",
    "firstlight.fast.blocked.batchnorm -> firstlight.distributed.sharding": "several ranks",
    "firstlight.fast.cuda.batchnorm -> firstlight.distributed.normalisation": "several ranks",
    "firstlight.fast.cuda.batchnorm -> firstlight.distributed.sharding": "several ranks",
    "firstlight.fast.cuda.means -> firstlight.training.means": "losses and metrics on a GPU",
    "firstlight.support.import_paths -> firstlight.data.splits": "what a data set is",
    "firstlight.module -> firstlight.checkpoints.model_file": "Module.save writes a file",
    "firstlight.module -> firstlight.tools.onnx": "Module.to_onnx writes a file",
    "firstlight.runs.history -> firstlight.tools.figures": "History.plot",
}


def modules():
    """Return the path of every module of the project by its dotted name."""
    found = {}
    for top in ("framework", "models", "callbacks", "datasets"):
        package = ("firstlight",) if top == "framework" else ("firstlight", top)
        for path in (ROOT / top).rglob("*.py"):
            inner = path.relative_to(ROOT / top).with_suffix("").parts
            name = ".".join(package + inner)
            found[name.removesuffix(".__init__") if inner != ("__init__",) else name] = path
    return found


MODULES = modules()


def imported(path):
    """Yield the project's modules that a file imports, at its top or within a function."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "firstlight":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def part_of(name):
    """Return the package, or the file at the top, that a module belongs to."""
    return name.split(".")[1] if "." in name else "__init__"


def broken(name, path):
    """Yield the imports of a module that are against the rules."""
    part = part_of(name)
    for other in imported(path):
        if part_of(other) not in ALLOWED[part] | {part, "__init__"}:
            yield f"{name} -> {other}"


def test_who_imports_whom():
    there = {rule for name, path in MODULES.items() for rule in broken(name, path)}
    assert there - set(EXCEPTIONS) == set()
    known = {rule for rule in EXCEPTIONS if rule.split(" -> ")[0] in MODULES}  # fast may be missing
    assert known - there == set(), "no exception any more"


FOR_SPEED = {"fast", "distributed", "cupy", "numba", "threading", "threadpoolctl", "concurrent"}


def test_lessons_are_plain_numpy():
    for folder in ("nn", "optim"):
        for path in sorted((ROOT / "framework" / folder).glob("*.py")):
            names = set()
            for node in nodes(path):
                if isinstance(node, ast.Import):
                    names |= {part for alias in node.names for part in alias.name.split(".")}
                elif isinstance(node, ast.ImportFrom):
                    names |= {*(node.module or "").split("."), *(a.name for a in node.names)}
            assert not names & FOR_SPEED, path


def test_nine_files_at_the_top():
    first = {"__init__", "__main__", "module", "parameter", "trainer", "callback"}
    nine = first | {"hookspecs", "plugins", "testing"}
    assert sorted(path.stem for path in (ROOT / "framework").glob("*.py")) == sorted(nine)


def test_no_module_is_named_like_a_function_beside_it():
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            defined = ast.walk(ast.parse(path.read_text()))
            functions = {node.name for node in defined if isinstance(node, ast.FunctionDef)}
            assert not functions & {other.stem for other in path.parent.glob("*.py")}, name


ALONE = """
import os, sys
import numpy, threadpoolctl, pluggy

for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            os._exit(error.name.startswith("firstlight"))
        finally:
            os._exit("firstlight" not in sys.modules or name not in sys.modules)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_every_package_can_be_the_first_to_be_imported():
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    names = sorted(packages | {f"firstlight.{place}" for place in PLACES.values()})
    command = [sys.executable, "-c", ALONE, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], done.stderr
