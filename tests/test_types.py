"""Annotations: the public interface has them, and an editor finds them."""

import json
import os
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
        env=os.environ | environment,
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
    # Kinds of mistakes are never imported: their registry finds them, and `Kind` declares them.
    symbols = [s for s in symbols if not s["name"].startswith("firstlight.tools.diagnose.kinds.")]
    unknown = [s["name"] for s in symbols if not s["isTypeKnown"]]
    assert len(symbols) > 1000
    assert len(unknown) <= 0.05 * len(symbols), unknown


def test_an_editor_resolves_and_completes(tree, tmp_path):
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": ["tree"]}))
    script = tmp_path / "script.py"
    script.write_text(
        "import firstlight as fl\n"
        "from firstlight import nn\n"
        "reveal_type(nn.Linear)\n"
        "reveal_type(fl.datasets.load('digits'))\n"
        "fl.Trainer(max_epochs=1).fit(nn.ReLU(), (1, 2)).plot()\n"
        "fl.figures.curves\n"
        "nn.Linear(3, nonsense=4)\n"
    )
    found = basedpyright("--project", tmp_path, script)["generalDiagnostics"]
    errors = [d for d in found if d["severity"] == "error"]
    assert {d["range"]["start"]["line"] for d in errors} == {6}  # two: nonsense, and one missing
    shown = " ".join(d["message"] for d in found if d["severity"] == "information")
    assert "type[Linear]" in shown
    assert "DataSplits" in shown
