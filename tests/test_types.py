"""Annotations: the public interface has them, and an editor finds them."""

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("basedpyright"), reason="basedpyright is not installed"),
]


def basedpyright(*words, **environment):
    done = subprocess.run(
        ["basedpyright", *map(str, words), "--outputjson"],
        capture_output=True,
        text=True,
        env={"PATH": __import__("os").environ["PATH"]} | environment,
    )
    return json.loads(done.stdout)


@pytest.fixture
def tree(tmp_path):
    """The package as ``pip install`` lays it out."""
    runpy.run_path(str(ROOT / "docs" / "layout.py"))["lay_out"](tmp_path / "tree")
    return tmp_path / "tree"


def test_public_symbols_have_types(tree):
    found = basedpyright("--verifytypes", "firstlight", "--ignoreexternal", PYTHONPATH=str(tree))
    symbols = [s for s in found["typeCompleteness"]["symbols"] if s["isExported"]]
    unknown = [s["name"] for s in symbols if not s["isTypeKnown"]]
    assert len(symbols) > 1000
    assert len(unknown) <= 0.05 * len(symbols), unknown


@pytest.mark.parametrize("config", [{"extraPaths": ["tree"]}], ids=["a checkout after make setup"])
def test_an_editor_resolves_and_completes(tree, tmp_path, config):
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    script = tmp_path / "script.py"
    script.write_text(
        "import firstlight as fl\n"
        "from firstlight import nn\n"
        "reveal_type(nn.Linear)\n"
        "reveal_type(nn.Linear(3, 2, bias=False)(fl.rng.generator('x').random((2, 3))))\n"
        "fl.Trainer(max_epochs=1).fit(nn.ReLU(), fl.datasets.load('digits')).plot()\n"
        "nn.Linear(3, nonsense=4)\n"
    )
    found = basedpyright("--project", tmp_path, script)["generalDiagnostics"]
    print(json.dumps(found, indent=1))
    errors = [d for d in found if d["severity"] == "error"]
    assert [d["range"]["start"]["line"] for d in errors] == [5]
