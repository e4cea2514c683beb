"""The user's files that a run keeps."""

import shutil
import subprocess
import sys

import pytest

import firstlight as fl
from firstlight.runs import sources

FIT = """
import importlib, sys
sys.path.append(SYS_PATH)
importlib.import_module("debugger")
import numpy as np
import firstlight as fl
from helper import Net

x = np.ones((4, 1), "float32")
fl.Trainer(max_epochs=1, default_callbacks=False, runs_dir=RUNS,
           callbacks=["model_checkpoint"]).fit(Net(), (x, x))
"""
NET = """
import firstlight as fl

class Net(fl.Module):
    def __init__(self):
        self.body, self.loss = fl.nn.Linear(1, 1), fl.nn.MSELoss()
    def forward(self, x):
        return self.body(x)
    def backward(self, dy):
        return self.body.backward(dy)
    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=0.1)
"""


@pytest.mark.slow
def test_a_module_beside_the_scripts_folder_is_kept(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (tmp_path / "helper").mkdir()
    (tmp_path / "helper" / "__init__.py").write_text("from .net import Net")
    (tmp_path / "helper" / "net.py").write_text(NET)
    (tmp_path / "debugger.py").write_text("")
    script = folder / "train.py"
    text = FIT.replace("SYS_PATH", repr(str(folder / ".."))).replace("RUNS", repr("runs"))
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "runs").glob("*/*/" + sources.FOLDER)
    copies = sorted(file.relative_to(kept).as_posix() for file in kept.rglob("*.*"))
    assert copies == [
        *("_elsewhere/helper/__init__.py", "_elsewhere/helper/net.py"),
        *(sources.RECORD, "train.py"),
    ], "and not what no file imports"
    shutil.rmtree(tmp_path / "helper")
    assert type(fl.load(kept.parent, trust=True)).__module__ == "helper.net"
