"""Solutions that take a short cut: they get no points, and are named."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from firstlight.tools.course import exercise, judge
from firstlight.tools.course.cut import exercise_text, solution_text
from firstlight.tools.course.grades import grade
from firstlight.tools.course.project import new_project
from firstlight.tools.course.run import Limits
from firstlight.tools.course.submissions import submissions

LINEAR = exercise("linear")
LESSON = Path(__file__).parents[4] / "framework" / "nn" / "linear.py"

CHEATS = {  # what is recorded: the code
    "import, lesson": "from firstlight.nn.linear import Linear",
    "import, lesson ": "from firstlight import nn\n\nclass Linear(nn.Linear):\n    pass",
    "lesson": "import firstlight\n\nLinear = getattr(firstlight, 'n' + 'n').Linear",
    "lesson ": f"exec(open({str(LESSON)!r}).read())",
    "lesson  ": "import importlib, inspect\n"
    "m = importlib.import_module('firstlight.n' + 'n.linear')\nexec(inspect.getsource(m))",
    "lesson   ": "import importlib\nimportlib.import_module('firstlight.fa' + 'st.loops')",
    "framework  ": "import torch",
    "framework": "__import__('tor' + 'ch')",
    "framework ": "import importlib\nimportlib.import_module('tor' + 'ch')",
    "exit": "import os\n\nos._exit(0)",
    "exit ": "raise SystemExit",
    "print": "print('5 of 5 tests passed')\nLinear = None",
    "patch": "import numpy as np\n\nnp.allclose = np.array_equal = lambda *_, **__: True",
    "patch ": "from firstlight.module import Module\n\nModule.__call__ = lambda *_: 0",
    "network": "import socket\n\nsocket.create_connection(('127.0.0.1', 9))",
    "process": "import subprocess\n\nsubprocess.run(['true'])",
    "write": "open('../firstlight-course-test.txt', 'w')",
}


@pytest.mark.parametrize("kinds", CHEATS)
def test_it_is_named_and_gets_nothing(kinds, tmp_path):
    if "st.loops" in CHEATS[kinds]:
        pytest.importorskip("firstlight.fast", reason="needs framework/fast")
    if "import_module('tor'" in CHEATS[kinds] and find_spec("torch") is None:
        pytest.skip("needs PyTorch, which is found by its files")
    source = exercise_text(LINEAR) + "\n\n" + CHEATS[kinds] + "\n"
    result = judge(source, str(tmp_path / "linear.py"), LINEAR, seed=1)
    assert {one.kind for one in result.forbidden} == set(kinds.strip().split(", "))
    assert result.status == "forbidden"
    assert result.share == 0


def test_a_right_solution_that_also_cheats_gets_nothing(tmp_path):
    source = solution_text(LINEAR) + "\nnp.isclose = lambda *_: True\n"
    result = judge(source, str(tmp_path / "linear.py"), LINEAR, seed=1)
    assert set(result.parts.values()) == {"right"}
    assert result.share == 0


def test_arrays_that_are_equal_to_everything_are_wrong(tmp_path):
    source = exercise_text(LINEAR).replace(
        'raise NotImplementedError("Linear.forward")',
        "class Equal(np.ndarray):\n            __eq__ = lambda *_: True\n"
        "        return np.zeros((len(x), self.out_features)).view(Equal)",
    )
    result = judge(source, str(tmp_path / "linear.py"), LINEAR, seed=1)
    assert result.parts["Linear.forward"] == "wrong"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("while True: pass", "is not finished after 1 s; is there an endless loop?"),
        ("x = [0] * 10**10", "MemoryError"),
        ("import time; time.sleep(100)", "is not finished after 1 s; is there an endless loop?"),
    ],
)
def test_limits(code, said, tmp_path):
    result = judge(code, str(tmp_path / "linear.py"), LINEAR, 1, Limits(1, 2**28))
    assert [cause.what for cause in result.causes][:1] == [said]
    assert result.share == 0


@pytest.fixture
def entries(tmp_path):
    """A folder of submissions with a right one of two exercises."""
    made = new_project("right", tmp_path, solutions=True).folder
    for path in (made / "exercises").glob("*.py"):
        if path.stem not in ("linear", "activations"):
            path.unlink()
    return tmp_path


def grades(folder, **points):
    with submissions(folder) as found:
        book = grade(found, points or {"linear": 5.0}, 1, Limits(private=str(folder)), jobs=1)
    return {group.submission.name: group for group in book.groups}


def test_changed_tests_are_named(entries):
    shutil.copytree(entries / "right", entries / "changed")
    tests = entries / "changed" / "tests" / "test_exercises.py"
    tests.write_text(tests.read_text().replace("assert result.status", "assert True or result"))
    shutil.copytree(entries / "right", entries / "formatted")
    tests = entries / "formatted" / "tests" / "test_exercises.py"
    tests.write_text(tests.read_text().replace("FOLDER =", "FOLDER  =  ") + "\n# fine\n")
    found = grades(entries)
    assert {name: group.total for name, group in found.items()} == {
        "changed": 0,
        "formatted": 5,
        "right": 5,
    }
    assert [one.kind for one in found["changed"].results["linear"].forbidden] == ["tests"]


def test_another_groups_solution_is_not_read(entries):
    thief = new_project("thief", entries).path_of("linear")
    thief.write_text(f"exec(open({str(entries / 'right/exercises/linear.py')!r}).read())\n")
    own = new_project("own", entries)
    (own.folder / "layer.py").write_text("x = 1\n")
    own.path_of("linear").write_text(f"exec(open({str(own.folder / 'layer.py')!r}).read())\n")
    found = grades(entries)
    assert [one.kind for one in found["thief"].results["linear"].forbidden] == ["read"]
    assert found["own"].results["linear"].forbidden == []
    assert found["right"].total == 5
