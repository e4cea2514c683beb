"""CONTRIBUTING.md names every file that a change touches: its steps are followed, in a copy."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TREE = ("framework", "models", "callbacks", "datasets", "tests", "docs", "examples")
pytestmark = pytest.mark.slow

LAYER = '''"""MyLayer: the square."""

from firstlight.module import Module
from firstlight.support.array import Array


class MyLayer(Module):
    """Square each number.

    Formula
    -------
    y = x²

    Gradient
    --------
    dx = 2 x dy
    """

    def forward(self, x: Array) -> Array:
        self.save(x)
        return x * x

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        self.check_dy(dy, x.shape)
        return 2 * x * dy
'''
CALLBACK = '''"""MyCallback: counts steps."""

from firstlight.callback import Callback


class MyCallback(Callback):
    """Count the steps."""

    def __init__(self):
        self.steps = 0

    def on_train_batch_end(self):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]
'''
DATA = '''"""my_data: four samples."""

import numpy as np

from firstlight.data import DataSplits


def my_data() -> DataSplits:
    """Return four samples of two classes."""
    x, y = np.eye(4, dtype="float32"), np.array([0, 1, 0, 1])
    return DataSplits((x, y), (x, y), (x, y), name="my_data", classes=["even", "odd"])
'''
COMMAND = '''"""``firstlight mycommand``: greet."""

from firstlight.tools.cli.command import Command, option


class MyCommand(Command):
    """Greet."""

    options = (option("--name NAME", "whom", "world"),)

    def run(self, args):
        print(f"hello {args.name}")
        return 0
'''
FORM = '''"""ReLU as its lesson computes it."""

import numpy as np

from firstlight.fast.conditions import numpy_float32
from firstlight.nn.relu import ReLU
from firstlight.support.forms import form


@form(ReLU, when=[numpy_float32])
class MyForm:
    """Use the lesson's expressions."""

    def forward(self, layer, x):
        y = np.maximum(x, 0)
        layer.save(y)
        return y

    def backward(self, layer, dy):
        (y,) = layer.saved()
        return np.where(y <= 0, 0, dy)
'''
TEST_OF = {
    "layer": "import numpy as np\n\nfrom firstlight import nn\n\n\n"
    "def test_it():\n    assert nn.MyLayer()(np.ones(2)).tolist() == [1, 1]\n",
    "callback": "from firstlight.callbacks import MyCallback\n"
    "from firstlight.testing import check_callback\n\n\n"
    "def test_it():\n    check_callback(MyCallback)\n",
    "data set": "import firstlight as fl\n\n\n"
    "def test_it():\n    assert fl.datasets.load('my_data').classes == ['even', 'odd']\n",
    "command": "from firstlight.tools.cli.main import main\n\n\n"
    "def test_it(capsys):\n    assert main(['mycommand', '--name', 'you']) == 0\n"
    "    assert capsys.readouterr().out == 'hello you\\n'\n",
    "faster form": "from firstlight import nn\nfrom firstlight.support import forms\n\n\n"
    "def test_it():\n    assert forms.candidates(nn.ReLU, 'forward')[0].name == 'MyForm'\n",
}
# What is written at the end of each file, by the thing that is added.
STEPS = {
    "layer": {
        "framework/nn/mylayer.py": LAYER,
        "framework/nn/__init__.py": "from firstlight.nn.mylayer import MyLayer\n"
        "__all__ += ['MyLayer']\n",
        "tests/support/layer_table.py": "CASES.append(Case('MyLayer', nn.MyLayer, floats(3, 4)))\n",
        "tests/oracle/test_mylayer_torch.py": TEST_OF["layer"],
        "docs/reference/layers.md": "::: firstlight.nn.mylayer.MyLayer\n",
    },
    "callback": {
        "callbacks/my_callback.py": CALLBACK,
        "callbacks/__init__.py": "from firstlight.callbacks.my_callback import MyCallback\n"
        "__all__ += ['MyCallback']\n",
        "tests/callbacks/test_my_callback.py": TEST_OF["callback"],
        "docs/reference/callbacks.md": "::: firstlight.callbacks.my_callback.MyCallback\n",
    },
    "data set": {
        "datasets/my_data.py": DATA,
        "datasets/__init__.py": "from firstlight.datasets.my_data import my_data\n"
        "__all__ += ['my_data']\n",
        "tests/datasets/test_my_data.py": TEST_OF["data set"],
        "docs/reference/datasets.md": "::: firstlight.datasets.my_data.my_data\n",
    },
    "command": {
        "framework/tools/cli/commands/mycommand.py": COMMAND,
        "framework/tools/cli/commands/__init__.py": "",
        "tests/framework/tools/cli/test_mycommand.py": TEST_OF["command"],
        "docs/cli.md": "\n## mycommand\n\nGreet.\n",
    },
    "faster form": {
        "framework/fast/blocked/myform.py": FORM,
        "framework/fast/forms.py": "import firstlight.fast.blocked.myform\n",
        "tests/framework/fast/test_myform.py": TEST_OF["faster form"],
        "docs/benchmarks.md": "ReLU: 1.0.\n",
    },
}
REGISTRATION = {  # written before the first registration that is there
    "callback": ("callbacks/__init__.py", "registry.add('my_callback', MyCallback)"),
    "command": (
        "framework/tools/cli/commands/__init__.py",
        "registry.add('mycommand', f'{__name__}.mycommand:MyCommand', 'greet')",
    ),
    "data set": ("datasets/__init__.py", "registry.add('my_data', my_data)"),
}
CHECKS = {  # what the suite then holds it to, besides its own test
    "layer": ["tests/framework/test_gradients.py", "-k", "MyLayer or table"],
    "callback": [],
    "data set": [],
    "command": [],
    "faster form": ["tests/framework/fast/test_forms.py", "-k", "MyForm"],
}


def files_of(thing):
    """Return the files in the table that follows ``**A layer**`` and the like."""
    section = re.split(rf"^\*\*A {thing}\*\*", PAGE, flags=re.M)[1]
    return re.findall(r"^\| `([^`]+)` \|", re.split(r"^(?:\*\*|##)", section, flags=re.M)[0], re.M)


@pytest.fixture
def checkout(tmp_path):
    for name in TREE:
        shutil.copytree(ROOT / name, tmp_path / "copy" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("thing", STEPS)
def test_the_table_has_every_file_that_it_takes(thing, checkout):
    assert files_of(thing) == list(STEPS[thing])
    for name, text in STEPS[thing].items():
        with open(checkout / name, "a", encoding="utf-8") as file:
            file.write(text)
    if thing in REGISTRATION:
        name, line = REGISTRATION[thing]
        text = (checkout / name).read_text(encoding="utf-8")
        first = re.search(r"^def register_\w+\(.*\n(?: +\"\"\".*\"\"\"\n)?( +)", text, re.M)
        text = f"{text[: first.end()]}{line}\n{first[1]}{text[first.end() :]}"
        (checkout / name).write_text(text, encoding="utf-8")
    lay_out = runpy.run_path(str(checkout / "docs" / "layout.py"))["lay_out"]
    lay_out(checkout / "tree")
    own = next(name for name in STEPS[thing] if "/test_my" in name)
    for words in ([own], CHECKS[thing]):
        if words:
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *words],
                cwd=checkout,
                env=os.environ | {"PYTHONPATH": str(checkout / "tree")},
                check=True,
            )


def test_every_table_is_followed():
    assert re.findall(r"^\*\*A ([a-z ]+?)\*\*", PAGE, re.M) == list(STEPS)
