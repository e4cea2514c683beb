"""What the tests of the command line share."""

import os
import subprocess
import sys

import pytest
import yaml

from firstlight.tools.cli.main import main

NET = '''
"""A model and data of one's own, in the present folder."""
import numpy as np
import firstlight as fl
from firstlight import nn, optim


class Net(fl.Module):
    """Two layers.

    Parameters
    ----------
    depth : int
        How deep.
    """

    def __init__(self, in_features, num_classes, depth=1, rate=0.1, rng=None):
        self.body = nn.Linear(in_features, num_classes)
        self.loss = nn.CrossEntropyLoss()
        self.depth, self.rate = depth, rate

    def forward(self, x):
        return self.body(x.reshape(len(x), -1))

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=self.rate)


class Parts(Net):
    def __init__(self, width, in_features, num_classes, loss: fl.Module = nn.CrossEntropyLoss()):
        self.body = nn.Sequential(nn.Linear(in_features, width), nn.Linear(width, num_classes))
        self.loss, self.rate = loss, 0.1


class Counter(fl.Callback):
    """Count epochs."""

    def __init__(self, text: str = "epoch"):
        self.text = text

    def on_train_epoch_end(self, trainer):
        print(self.text, trainer.epoch)


class Broken(fl.Callback):
    def on_train_epoch_end(self, trainer):
        raise ArithmeticError("no more")


def blobs(n: int = 20, unused: int = 0, noise: float = 0.0, name: str = "blobs"):
    """Make two blobs."""
    y = np.arange(n) % 2
    x = np.stack([y, 1 - y], axis=1).astype("float32")
    x += noise * fl.rng.stream("init").normal(size=x.shape).astype("float32")
    classes = ["a", "b", *"cdef"[:unused]]
    return fl.DataSplits((x, y), val=(x, y), classes=classes, batch_size=5, name=name)


def named():
    """Make data of classes that blobs do not have."""
    x, y = np.zeros((4, 2), "float32"), np.array([0, 1, 2, 0])
    return fl.DataSplits((x, y), val=(x, y), classes=["a", "b", "z"], name="named")


def nothing():
    return 3
'''


@pytest.fixture
def cli(capsys, monkeypatch):
    """Run a command line in this process; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*argv):
        code = main([str(word) for word in argv])
        return (code, *capsys.readouterr())

    yield run
    sys.modules.pop("mine", None)


@pytest.fixture
def refused(cli):
    """Run a command line that must be refused; returns its message, one line."""

    def run(*argv):
        code, out, err = cli(*argv)
        message, see = err.splitlines()
        assert (code, out) == (2, "")
        assert see.startswith("see firstlight")
        return message

    return run


@pytest.fixture
def printed(cli):
    """Return the config that ``--print_config`` shows for some flags."""

    def run(*argv):
        code, out, err = cli("fit", *argv, "--print_config")
        assert (code, err) == (0, "")
        return yaml.safe_load(out)

    return run


@pytest.fixture
def mine(tmp_path):
    """A module ``mine`` in the present folder."""
    (tmp_path / "mine.py").write_text(NET)


@pytest.fixture(scope="session")
def shell():
    """Run a command line as a process of its own; returns the completed process."""

    def run(*argv, cwd, **environment):
        return subprocess.run(
            [sys.executable, "-m", "firstlight", *map(str, argv)],
            cwd=cwd,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        )

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory, shell):
    """A folder in which ``firstlight fit`` has run for two epochs, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = shell("fit", "--trainer.max_epochs", 2, "--model.hidden", "32,16", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout
