"""Parity: the same step on both sides, and the first layer that differs by name."""

import json
from importlib.util import find_spec

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import models, nn, optim
from firstlight.tools.cli.main import main
from firstlight.tools.diagnose.parity import check_parity


class Wrong(nn.Linear):
    """Forgets its bias on a GPU."""

    def forward(self, x):
        y = super().forward(x)
        return y if isinstance(x, np.ndarray) else y - self.bias.data


class WrongBack(nn.Linear):
    """Doubles dx on a GPU."""

    def backward(self, dy):
        dx = super().backward(dy)
        return dx if isinstance(dx, np.ndarray) else 2 * dx


class Net(nets.Net):
    def __init__(self, kind=nn.Linear):
        super().__init__(
            nn.Linear(4, 6),
            nn.Tanh(),
            nn.Dropout(0.5),
            kind(6, 5),
            nn.GELU(),
            nn.Linear(5, 3),
            optimizer=lambda p: optim.SGD(p),
        )


def batch():
    rng = np.random.default_rng(0)
    return rng.standard_normal((7, 4)).astype("float32"), rng.integers(0, 3, 7)


@pytest.mark.gpu
def test_a_step_is_the_same_on_both():
    found = check_parity(Net(), batch())
    assert found.first is None
    assert {d.dtype for d in found.differences} == {"float32", "float64"}
    assert "are the same on cpu and cuda:0; furthest apart:" in str(found)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("kind", "layer", "what"),
    [(Wrong, "body.3 (Wrong)", "output"), (WrongBack, "body.3 (WrongBack)", "dx")],
)
def test_the_first_layer_that_differs_is_named(kind, layer, what):
    found = check_parity(Net(kind), batch())
    assert (found.first.layer, found.first.what, found.first.dtype) == (layer, what, "float64")
    assert str(found).startswith(f"parity: {layer} differs first, in its {what} (float64)")


@pytest.mark.gpu
def test_nothing_is_changed():
    module = Net()
    before = module.state_dict(), fl.rng.state_dict()
    check_parity(module, batch())
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[0][name])
    assert fl.rng.state_dict() == before[1]
    assert module.body[2].p == 0.5


@pytest.mark.gpu
def test_a_transformer_too():
    net = models.GPT(vocab_size=11, block_size=6, n_layer=2, n_head=2, n_embd=8)
    tokens = np.random.default_rng(0).integers(0, 11, (3, 7))
    assert check_parity(net, (tokens[:, :-1], tokens[:, 1:])).first is None


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("firstlight.support.backend.load_cupy", lambda: 1 / 0)
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        check_parity(Net(), batch())
    with pytest.raises(RuntimeError, match='"cpu" against the CPU compares nothing'):
        check_parity(Net(), batch(), device="cpu")


NET = """
from firstlight import models
class Own(models.MLP):
    def __init__(self):
        super().__init__(64, 10, hidden=(8,))
"""


@pytest.mark.gpu
def test_the_command(capsys):
    words = ["check", "--parity", "--model", "mlp", "--model.hidden", "8", "--data", "digits"]
    assert main(words) == 0
    *layers, verdict = capsys.readouterr().out.splitlines()
    assert "are the same on cpu and cuda:0" in verdict
    assert any("body" in line for line in layers)
    assert main([*words, "--json"]) == 0
    assert not any(found["differs"] for found in json.loads(capsys.readouterr().out))


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")
def test_the_command_without_a_gpu(capsys):
    assert main(["check", "--parity", "--model", "mlp", "--data", "digits"]) != 0
    assert "cupy" in capsys.readouterr().err.lower()


@pytest.mark.gpu
def test_the_command_takes_a_class_in_a_file(capsys, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    assert main(["check", "--parity", "net.py:Own", "--data", "digits"]) == 0
    assert "are the same on cpu and cuda:0" in capsys.readouterr().out
