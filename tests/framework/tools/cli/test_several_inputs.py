"""A model with two inputs through the commands: fit, test, predict, report, look, data describe."""

import pytest
from fruit_tables import accuracy

MINE = '''
"""Two inputs."""

import numpy as np

import firstlight as fl
from firstlight import nn, optim


def two() -> fl.DataSplits:
    """Two inputs."""
    rng = np.random.default_rng(0)
    x = {"image": rng.normal(size=(300, 4, 4, 1)), "age": rng.normal(size=(300, 1))}
    y = (x["age"][:, 0] > 0).astype(int)
    cuts = slice(0, 200), slice(200, 250), slice(250, 300)
    parts = [({name: values[cut] for name, values in x.items()}, y[cut]) for cut in cuts]
    return fl.DataSplits(*parts, name="two", classes=["young", "old"])


class Net(fl.Module):
    def __init__(self):
        self.image = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        self.age = nn.Linear(1, 2)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.image(x["image"]) + self.age(x["age"])

    def backward(self, dy):
        return {"image": self.image.backward(dy), "age": self.age.backward(dy)}

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=0.1)
'''


@pytest.mark.slow
def test_two_inputs_through_the_commands(cli, tmp_path):
    (tmp_path / "pair.py").write_text(MINE)
    code, out, err = cli("data", "describe", "pair:two")
    assert (code, err) == (0, "")
    assert "{image: float32 (4, 4, 1), age: float32 (1,)}  int64 ()" in out
    words = ("--model", "pair:Net", "--data", "pair:two", "--trainer.max_epochs", 8)
    assert cli("fit", *words)[0] == 0
    assert accuracy(cli("test")[1]) > 0.9
    code, out, err = cli("predict")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "index,target,prediction,class,probability"
    assert cli("report", "--output", "page.html")[::2] == (0, "")
    assert cli("look")[::2] == (0, "")


HEADS = """
import numpy as np

import firstlight as fl
from firstlight import nn, optim


def pairs() -> fl.DataSplits:
    x = np.random.default_rng(0).normal(size=(2, 20, 3)).astype("float32")
    return fl.DataSplits(*[(tuple(x), np.arange(20) % 2)] * 3, name="pairs")


class Twins(fl.Module):
    def __init__(self):
        self.body, self.loss = nn.Linear(3, 2), nn.ContrastiveLoss()

    def forward(self, x):
        return self.body(x[0]), self.body(x[1])

    def backward(self, dy):
        db = self.body.backward(dy[1])
        return self.body.backward(dy[0]), db

    def configure_optimizer(self):
        return optim.Adam(self.parameters())
"""


def test_several_outputs_have_no_picture_and_several_inputs_no_onnx_file(cli, tmp_path):
    (tmp_path / "twins.py").write_text(HEADS)
    words = ("--model", "twins:Twins", "--data", "twins:pairs", "--trainer.max_steps", 1)
    assert cli("fit", *words)[0] == 0
    code, _, err = cli("look")
    assert code == 2
    assert "Twins has 2 outputs, and look draws classifiers and regressions with one" in err
    pytest.importorskip("onnx", reason="needs onnx")
    code, _, err = cli("export")
    assert code == 2
    assert "got Twins, which takes a tuple of 2; give forward an argument for each" in err
