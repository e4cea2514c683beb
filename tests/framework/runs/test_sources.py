"""The user's files that a run keeps."""

import subprocess
import sys

from firstlight.runs import sources

FIT = """
import sys
sys.path.append(SYS_PATH)
import numpy as np
import firstlight as fl
from helper import Net

x = np.ones((4, 1), "float32")
fl.Trainer(max_epochs=1, default_callbacks=False, runs_dir=RUNS).fit(Net(), (x, x))
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


def test_a_module_beside_the_scripts_folder_does_not_stop_a_training(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (tmp_path / "helper.py").write_text(NET)
    script = folder / "train.py"
    text = FIT.replace("SYS_PATH", repr(str(folder / ".."))).replace("RUNS", repr("runs"))
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "runs").glob("*/*/" + sources.FOLDER)
    assert sorted(file.name for file in kept.iterdir()) == [sources.RECORD, "train.py"]
