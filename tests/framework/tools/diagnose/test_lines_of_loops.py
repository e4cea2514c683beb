"""Mistakes in the lines of a loop are named, at their line; healthy loops of other styles pass."""

import pytest

from firstlight.tools.diagnose.kind import all_kinds, ask
from firstlight.tools.diagnose.kinds.early_stopping import EarlyStopping
from firstlight.tools.diagnose.kinds.terminal_state import TerminalState
from firstlight.tools.diagnose.probes.script.events import Update
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.script import trainings

NET = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(120, 4))
y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
x_train, y_train, x_test, y_test = x[:90], y[:90], x[90:], y[90:]
w = rng.normal(size=(4, 8)) / 2
v = rng.normal(size=(8, 3)) / 2
b = np.zeros(3)


def forward(x):
    h = np.tanh(x @ w)
    s = np.exp(h @ v + b)
    return h, s / s.sum(axis=1, keepdims=True)


def cross_entropy(p, y):
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    return loss


best_loss, waited, lr = np.inf, 0, 0.5
for epoch in range(40):
    order = rng.permutation(90)
    for i in range(0, 90, 30):
        pick = order[i : i + 30]
        h, p = forward(x_train[pick])
        labels = y_train[pick]
        loss = cross_entropy(p, labels)
        p[np.arange(30), labels] -= 1
        d = p / 30
        dv = h.T @ d
        db = d.sum(axis=0)
        dh = d @ v.T
        dh *= 1 - h**2
        w -= lr * x_train[pick].T @ dh
        v -= lr * dv
        b -= lr * db
    test_loss = cross_entropy(forward(x_test)[1], y_test)
    if test_loss < best_loss:
        best_loss = test_loss
        best_v, waited = v.copy(), 0
    else:
        waited += 1
        if waited > 9:
            break
"""
TEXT = """
import numpy as np

text = "the quick brown fox jumps over the lazy dog " * 20
tokens = np.array([sorted(set(text)).index(c) for c in text])
rng = np.random.default_rng(0)
w = rng.normal(size=(27, 27)) / 9
for step in range(60):
    at = rng.integers(0, 800, 16)
    x = tokens[at[:, None] + np.arange(3)]
    y = tokens[at + 3]
    p = np.exp(w[x[:, -1]])
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(16), y]).mean()
    p[np.arange(16), y] -= 1
    gradient = np.zeros_like(w)
    np.add.at(gradient, x[:, -1], p / 16)
    w -= 2.0 * gradient
"""
METHODS = """
import numpy as np


class Net:
    def __init__(self, rng):
        self.w = rng.normal(size=(5, 3)) / 2

    def forward(self, x):
        self.x = x
        self.p = np.exp(x @ self.w)
        self.p /= self.p.sum(axis=1, keepdims=True)
        return self.p

    def loss(self, x, y):
        return -np.log(self.forward(x)[np.arange(len(y)), y]).mean() + 0.05 * (self.w**2).sum()

    def step(self, y):
        d = self.p.copy()
        d[np.arange(len(y)), y] -= 1
        self.dw = self.x.T @ d / len(y)
        self.dw += 0.1 * self.w
        self.w -= 0.1 * self.dw


rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 5)), rng.integers(0, 3, 200)
train, test = np.arange(150), np.arange(150, 200)
net = Net(rng)
for epoch in range(6):
    rng.shuffle(train)
    for i in range(0, 150, 50):
        loss = net.loss(x[train[i : i + 50]], y[train[i : i + 50]])
        net.step(y[train[i : i + 50]])
    print((net.forward(x[test]).argmax(axis=1) == y[test]).mean())
"""
STATES = TerminalState.right
ZERO = "w = np.zeros((4, 8))\nv = np.zeros((8, 3))"
RANDOM = "w = rng.normal(size=(4, 8)) / 2\nv = rng.normal(size=(8, 3)) / 2"
B = "        b -= lr * db\n"
TEST, TRAIN = (f"cross_entropy(forward(x_{part})[1], y_{part})" for part in ("test", "train"))
BEST = "best_v, waited = v.copy(), 0"
EVALUATED = "    test_loss ="
WRONG = {  # script, right, wrong, kind, line
    "zero weights": (NET, RANDOM, ZERO, "symmetry", "w = np.zeros"),
    "a tiny rate": (NET, "= np.inf, 0, 0.5", "= np.inf, 0, 1e-6", "lr-low", "w -= lr"),
    "updated twice": (NET, B, 2 * B, "updates", "b -= lr * db"),
    "never updated": (NET, B, "", "updates", "db = d.sum"),
    # The mistake, or the next line: rounding, which differs between processors, decides.
    "a factor beside a best loss": (NET, "d = p / 30", "d = p / 10", "step-factor", "d = |dv = "),
    "columns": (NET, "p[np.arange(30), labels]", "p[:, labels]", "label-index", "p[:, labels]"),
    "test on training": (NET, TEST, TRAIN, "tested-on-training", "test_loss ="),
    "the worst": (NET, "if test_loss <", "if test_loss >", "early-stopping", "if test_loss"),
    "no reset": (NET, BEST, "best_v = v.copy()", "early-stopping", "if test_loss"),
    "a reference": (NET, BEST, "best_v, waited = v, 0", "best-weights", "best_v, waited"),
    "compounded": (NET, EVALUATED, f"    lr *= 0.98**epoch\n{EVALUATED}", "schedule", "lr *="),
    "the token before": (TEXT, "tokens[at + 3]", "tokens[at + 2]", "leak", "y = tokens"),
}


def kinds_of(source, tmp_path):
    path = tmp_path / "train.py"
    path.write_text(source)
    found = [one for training in trainings(path)[0] for e in training.evidence for one in ask(e)]
    return [(one.kind, one.at) for one in found if not one.note]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_at_its_line(name, tmp_path):
    source, right, wrong, kind, line = WRONG[name]
    assert source.count(right) == 1
    found = kinds_of(source.replace(right, wrong), tmp_path)
    ((name, at),) = [one for one in found if one[0] not in all_kinds()[kind].causes]
    assert name == kind
    assert any(part in at.code for part in line.split("|"))


ENDS = """\
        future = net(states[next_place : next_place + 1]).max(axis=1)
        future[np.array([done])] = 0
        target += float((gamma * future)[0])
"""
BOOTSTRAP = STATES[STATES.index("        if not done:") : STATES.index("        dq =")]
MOMENTUM = """\
        m *= 0.9
        m += h.T @ d
        v -= lr * 0.1 * m
"""
HEALTHY = {
    "a script": NET,
    "text": TEXT,
    "a rate that is shown only": NET.replace(
        EVALUATED, f"    error_rate = (p > 0.5).mean()\n    print(error_rate)\n{EVALUATED}"
    ),
    "momentum without a name for the gradient": NET.replace(
        "        v -= lr * dv\n", MOMENTUM
    ).replace("b = np.zeros(3)\n", "b = np.zeros(3)\nm = np.zeros((8, 3))\n"),
    "a penalty in place, in a method": METHODS,
    "validation through a loss": EarlyStopping.right,
    "the end of an episode by a row": STATES.replace(BOOTSTRAP, ENDS),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_loop_has_no_findings(name, tmp_path):
    assert kinds_of(HEALTHY[name], tmp_path) == []


def test_an_exploration_rate_is_not_trained(tmp_path):
    path = tmp_path / "train.py"
    source = STATES.replace("gamma = 0.9", "gamma, rate = 0.9, 0.9")
    path.write_text(source.replace("    place, done = 0", "    rate *= 0.9\n    place, done = 0"))
    trained = {event.name for event in trace(path).of(Update) if event.trains}
    assert "rate" not in trained
