"""Scripts with a wrong gradient or loss: the line that a change makes right, and the change."""

import pytest

from firstlight.tools.diagnose.probes.steps.script_steps import step_evidence
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("generous_budgets")]

HINGE = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
labels = X.argmax(axis=1)
W = rng.normal(size=(3, 3)) / 2

def hinge(scores, y):
    rows = np.arange(len(y))
    gaps = scores - scores[rows, y][:, None] + 1
    gaps[rows, y] = 0
    over = (gaps > 0).astype(float)
    d = over.copy()
    d[rows, y] = -over.sum(axis=1)
    return (gaps * over).sum() / len(y), d / len(y)

for step in range(30):
    loss, d = hinge(X @ W, labels)
    W -= 0.1 * (X.T @ d)
"""
DEEP = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(50, 2))
T = X[:, :1] * X[:, 1:]

class Net:
    def __init__(self, sizes):
        self.W = [rng.normal(size=(a, b)) / np.sqrt(a) for a, b in zip(sizes, sizes[1:])]

    def run(self, x):
        self.acts = [x]
        for W in self.W[:-1]:
            self.acts.append(np.tanh(self.acts[-1] @ W))
        return self.acts[-1] @ self.W[-1]

    def back(self, d):
        grads = [None] * len(self.W)
        for i in range(len(self.W) - 1, -1, -1):
            grads[i] = self.acts[i].T @ d
            if i:
                d = d @ self.W[i].T * (1 - self.acts[i] ** 2)
        return grads

net = Net([2, 8, 8, 1])
for step in range(50):
    error = net.run(X) - T
    loss = (error**2).mean()
    grads = net.back(2 * error / error.size)
    for W, g in zip(net.W, grads):
        W -= 0.05 * g
"""
PARTS = """
import numpy as np
import firstlight as fl
from firstlight import nn
fl.seed_everything(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(48, 4)).astype("float32")
kind, size = (x[:, 0] > 0).astype(int), x[:, 1:2]
body, one, two = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 1)
ce, mse = nn.CrossEntropyLoss(), nn.MSELoss()
params = body.parameters() + one.parameters() + two.parameters()
optimizer = fl.optim.SGD(params, lr=0.1)
for step in range(20):
    h = body(x)
    loss = ce(one(h), kind) + 0.3 * mse(two(h), size)
    optimizer.zero_grad()
    d = one.backward(ce.backward())
    d = d + two.backward(0.3 * mse.backward())
    body.backward(d)
    optimizer.step()
"""
SOFTMAX = """
import numpy as np
import firstlight as fl
from firstlight import nn
fl.seed_everything(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(30, 4)).astype("float32")
y = x[:, :3].argmax(axis=1)

def cross_entropy(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    return loss, p / np.float32(len(y))

net = nn.Linear(4, 3)
optimizer = fl.optim.SGD(net.parameters(), lr=0.1)
for step in range(20):
    loss, d = cross_entropy(net(x), y)
    optimizer.zero_grad()
    net.backward(d)
    optimizer.step()
"""
CASES = {
    "class-missing": (HINGE, "    d[rows, y] = -over.sum(axis=1)", "    d[rows, y] = 0"),
    "class-elsewhere": (HINGE, "d[rows, y] = -over.sum", "d[:, 0] = -over.sum"),
    "other-layer": (DEEP, "1 - self.acts[i] ** 2", "1 - self.acts[1] ** 2"),
    "derivative": (DEEP, "1 - self.acts[i] ** 2", "1 - self.acts[i]"),
    "weight-missing": (PARTS, "two.backward(0.3 * mse", "two.backward(mse"),
    "axis-of-the-loss": (SOFTMAX, "p.sum(axis=1", "p.sum(axis=0"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_line_is_found(name, tmp_path):
    source, right, wrong = CASES[name]
    script = tmp_path / "train.py"
    script.write_text(source)
    assert not any(isinstance(one, WrongStep) for one in step_evidence(script))
    assert source.count(right) == 1
    source = source.replace(right, wrong)
    script.write_text(source)
    (found,) = [one for one in step_evidence(script) if isinstance(one, WrongStep)]
    place = found.repair.at
    assert place.code == source.splitlines()[place.line - 1].strip()
    assert wrong.strip().splitlines()[0] in place.code
    assert found.repair.cure not in ("", place.code)
