"""The trace of a script: its events, their lines and steps, and how far it runs."""

from pathlib import Path

import pytest

from firstlight.tools.diagnose.probes.script import events
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.trace import trace

LOOP = """
import numpy as np
import firstlight as fl
from firstlight import nn

x, y = np.random.randn(12, 3).astype("float32"), np.ones((12, 1), "float32")
net, mse = nn.Linear(3, 1), nn.MSELoss()
optimizer = fl.optim.SGD(net.parameters(), lr=0.1)
losses = []
for epoch in range(50):
    for i in range(0, 12, 4):
        loss = mse(net(x[i : i + 4]), y[i : i + 4])
        net.backward(mse.backward())
        net.weight.grad *= 0.5
        optimizer.step()
        optimizer.zero_grad()
    losses.append(float(loss))
net.eval()
print(net(x).mean())
"""
PLAIN = """
xs = [0.1, 0.5, 0.8]
a = b = 0.0
for epoch in range(20):
    for x in xs:
        error = a * x + b - 3 * x
        a -= 0.1 * 2 * error * x
        b -= 0.1 * 2 * error
"""
LONG = """
import numpy as np

x, w = np.ones((900, 3)), np.zeros(3)
for epoch in range(2):
    for row in x:
        r = row @ w - 1
        loss = r**2
        w -= 0.1 * r * row
"""
NUMPY = """
import numpy as np

rng = np.random.default_rng()
x = rng.normal(size=(20, 3))
smooth = x[:, 0].copy()
for i in range(1, 20):
    smooth[i] = 0.9 * smooth[i - 1] + 0.1 * smooth[i]
w, b = np.zeros(3), 0.0
for step in range(100):
    error = x @ w + b - smooth
    loss = (error**2).mean()
    dw = 0
    for n in range(20):
        dw = dw + 2 * error[n] * x[n] / 20
    w = w - 0.1 * dw
    b -= 0.1 * 2 * error.mean()
"""


def traced(tmp_path: Path, source: str) -> events.Trace:
    path = tmp_path / "script.py"
    path.write_text(source)
    return trace(path, [])


def test_a_loop_of_modules(tmp_path):
    found = traced(tmp_path, LOOP)
    assert found.shortened
    assert not found.error
    assert not found.ended
    steps = found.of(events.OptimizerStep)
    assert [step.at.line for step in steps] == [15] * len(steps)
    assert 3 <= len(steps) <= 6
    assert [step.step for step in steps] == list(range(len(steps)))
    calls = [e for e in found.of(events.Forward) if e.module is found.names["net"]]
    assert calls[0].backward.dys[0].shape == (4, 1)
    assert calls[0].at.line == 12
    assert not calls[-1].training
    assert calls[-1].at.line == 19
    assert found.of(events.GradientWrite)[0].at.code == "net.weight.grad *= 0.5"
    assert {e.name for e in found.of(events.Scalar)} >= {"loss", "losses.append"}
    assert len(found.of(events.ZeroGrad)) == len(steps)


def test_pure_numpy(tmp_path):
    found = traced(tmp_path, NUMPY)
    assert found.shortened
    assert not found.ended
    trained = [e for e in found.of(events.Update) if e.trains]
    assert [e.name for e in trained] == ["w", "b"] * (len(trained) // 2)
    assert [e.step for e in trained] == [n // 2 for n in range(len(trained))]
    assert trained[0].rebinds
    assert trained[0].sources["dw"].shape == (3,)
    assert found.names["smooth"][-1] != found.names["x"][-1, 0]  # this loop is not shortened


def test_runs_repeat(tmp_path):
    first, second = traced(tmp_path, NUMPY), traced(tmp_path, NUMPY)
    assert [e.value for e in first.of(events.Scalar)] == [e.value for e in second.of(events.Scalar)]


@pytest.mark.parametrize("line", ["open('weights.npy', 'w')", "print(undefined)"])
def test_the_end(tmp_path, line):
    found = traced(tmp_path, NUMPY + line + "\n")
    assert found.error is None  # the loop was shortened
    assert ("would write" in found.ended) == ("open" in line)
    assert not (tmp_path / "weights.npy").exists()


def test_an_error_before_the_first_step(tmp_path):
    found = traced(tmp_path, NUMPY.replace("- smooth\n", "- smooth[:3]\n"))
    assert isinstance(found.error, ValueError)
    assert "line 11" in found.ended


def test_a_script_that_waits_is_stopped(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import time\ntime.sleep(3600)\n")
    recorder = Recorder(path, seconds=1e-4)  # far less than the hooks take to set up
    assert trace(path, recorder=recorder).ended == "it ran for its time limit"


def test_equal_numbers_are_values_of_their_own(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(PLAIN)
    updates = [one for one in trace(path).of(events.Update) if one.trains]
    assert len({one.value for one in updates if one.name == "a"}) == 1
    assert len({one.value for one in updates}) == 2


def test_a_loss_may_be_named_in_the_condition_of_its_loop(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("w = 5.0\nwhile (loss := (w - 1) ** 2) > 0.1:\n    w -= 0.2 * (w - 1)\n")
    found = trace(path)
    assert [one.name for one in found.of(events.Scalar)][:2] == ["w", "loss"]
    assert any(one.trains for one in found.of(events.Update))


def test_a_long_epoch_is_shortened(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(LONG)
    found = trace(path)
    assert found.shortened
    assert len(found.of(events.Update)) < 30


def test_a_script_gets_the_metrics_that_it_asked_for(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(
        "import firstlight as fl\n"
        "data = fl.datasets.load('polynomial')\n"
        "trainer = fl.Trainer(metrics=['rmse'])\n"
        "net = fl.models.Polynomial(3)\n"
        "trainer.fit(net, data)\n"
        "found = trainer.test(net, data)['test_rmse']\n"
    )
    found = trace(path)
    assert (found.ended, found.error) == ("", None)
    assert found.names["found"] > 0
