"""Runs of scripts that draw several times, train a loaded model, or have a model that is lost."""

import os
import subprocess
import sys

import numpy as np
import pytest

import firstlight as fl
from firstlight.runs import RunFolder
from firstlight.runs.find import latest_run

NET = """
import firstlight as fl
from firstlight import nn, optim


class Net(nn.Sequential):
    def __init__(self, width, file=None):
        super().__init__(nn.Linear(2, width), nn.Linear(width, 2))
        self.loss = nn.MSELoss()

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)
"""
DRAWS = f"""{NET}
import numpy as np

np.random.seed(1)
rng = np.random.default_rng(3)
order = rng.permutation(8)
print(rng.__class__)
x = rng.normal(size=(8, 2)).astype("float32")
np.random.shuffle(x)
noise = np.random.normal(size=3)
y = x + np.random.normal(size=(8, 2)).astype("float32")
np.multiply(x, 2, out=x)
trainer = fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"])
trainer.fit(Net(3, MODEL), (x, y))
"""
FIRST = f"""{NET}
if __name__ == "__main__":
    import numpy as np

    x = np.ones((8, 2), "float32")
    fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], name="first").fit(Net(3), (x, x))
"""
AGAIN = """
import numpy as np
import firstlight as fl

x = np.ones((8, 2), "float32")
model = fl.load("first")
fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], name="second").fit(model, (x, x))
"""


@pytest.fixture
def execute(tmp_path):
    def run(name, text):
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        words = [sys.executable, "-W", "error", name]
        environment = os.environ | {"FIRSTLIGHT_TEST_DEVICE": ""}
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return RunFolder(latest_run(tmp_path / "runs"))

    return run


def test_data_are_made_with_all_draws_of_a_generator(execute):
    run = execute("train.py", DRAWS.replace("MODEL", "None"))
    data = fl.load_data(run.path)
    assert len(data.train) == 8
    rng = np.random.default_rng(3)
    rng.permutation(8)
    expected = 2 * rng.normal(size=(8, 2)).astype("float32")
    found = data.train[np.arange(8)][0]
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(expected, axis=0))


def test_data_are_loaded_though_the_model_was_not_kept(execute):
    run = execute("train.py", DRAWS.replace("MODEL", "open('train.py')"))
    with pytest.raises(ValueError, match=r"model\.file was"):
        fl.load(run.path)
    assert len(fl.load_data(run.path).train) == 8


ENCODED = {
    "utf-8-sig": "# Maße",
    "latin-1": "# -*- coding: latin-1 -*-\n# Maße",
    "cp1252": "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n# Maße",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_scripts_of_other_encodings_are_kept(execute, tmp_path, encoding):
    text = f"{ENCODED[encoding]}\n{DRAWS.replace('MODEL', repr('ß'))}"
    run = execute("train.py", text.encode(encoding))
    (tmp_path / "train.py").unlink()
    assert run.config["model"]["file"] == "ß"
    assert len(fl.load(run.path).layers) == 2
    assert len(fl.load_data(run.path).train) == 8
    copy = (run.path / "source" / "train.py").read_text(encoding="utf-8")
    assert "Maße" in copy
    compile(copy.encode(), "train.py", "exec")


def test_a_model_of_another_runs_source_is_named(execute):
    execute("first.py", FIRST)
    run = execute("again.py", AGAIN)
    assert run.name == "second"
    with pytest.raises(ValueError, match="from the source of another run; load the model of that"):
        fl.load(run.path)
    assert len(fl.load_data(run.path).train) == 8


def test_a_model_of_another_runs_module_is_named(execute, tmp_path):
    (tmp_path / "pkg.py").write_text(NET)
    execute("first.py", FIRST.replace(NET, "import firstlight as fl\nfrom pkg import Net\n"))
    run = execute("again.py", AGAIN)
    (tmp_path / "pkg.py").unlink()
    with pytest.raises(ValueError, match="pkg:Net was not kept: the training took it from"):
        fl.load(run.path)
    (tmp_path / "pkg.py").write_text(NET)
    run = execute("imports.py", "import pkg\n" + AGAIN)
    (tmp_path / "pkg.py").unlink()
    assert fl.load(run.path) is not None
