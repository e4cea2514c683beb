"""Loops that compute no loss: the gradients of all parameters must be those of one number."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.raised import Unclear
from firstlight.tools.diagnose.probes.steps.script_steps import RightStep, step_evidence
from firstlight.tools.diagnose.probes.steps.second_slopes import NoLoss

pytestmark = pytest.mark.slow

HEAD = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(80, 4))
y = np.sin(x[:, :1]) * x[:, 1:2]
"""
LAYERS = (
    HEAD
    + """
class Dense:
    def __init__(self, i, o):
        self.w, self.b = rng.normal(size=(i, o)) / i**0.5, np.zeros(o)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, d):
        self.dw, self.db = self.x.T @ d, d.sum(axis=0)
        return d @ self.w.T

    def step(self, lr):
        self.w -= lr * self.dw
        self.b -= lr * self.db


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, d):
        return d * (1 - self.y**2)


net = []
for i, o in ((4, 12), (12, 12)):
    net += [Dense(i, o), Tanh()]
net.append(Dense(12, 1))
for epoch in range(30):
    for i in np.array_split(rng.permutation(80), 5):
        out = x[i]
        for layer in net:
            out = layer.forward(out)
        d = 2 * (out - y[i]) / len(i)
        for layer in net[::-1]:
            d = layer.backward(d)
        for layer in net[::2]:
            layer.step(0.05)
"""
)
NAMED = (
    HEAD
    + """
class Net:
    def __init__(self):
        self.w, self.v = rng.normal(size=(4, 12)) / 2, rng.normal(size=(12, 1)) / 3
        self.s = np.ones(12)  # a unit's shift has no effect behind the normalisation
        self.c = np.zeros(12)


net, lr = Net(), 0.05
for step in range(200):
    a = x @ net.w + net.c
    n = (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + 1e-5)
    h = np.maximum(n * net.s, 0)
    d = 2 * (h @ net.v - y) / len(y)
    dh = d @ net.v.T * (h > 0)
    dn = dh * net.s
    da = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / np.sqrt(a.var(axis=0) + 1e-5)
    g = {"w": x.T @ da, "s": (dh * n).sum(axis=0), "v": h.T @ d, "c": da.sum(axis=0)}
    for name in g:
        setattr(net, name, getattr(net, name) - lr * g[name])
"""
)
OUT = (
    HEAD
    + """
w, v = rng.normal(size=(4, 12)) / 2, rng.normal(size=(12, 1)) / 3
for step in range(200):
    h = np.tanh(x @ w)
    d = 2 * (h @ v - y) / len(y)
    for p, g in ((w, x.T @ (d @ v.T * (1 - h**2))), (v, h.T @ d)):
        np.subtract(p, 0.05 * g, out=p)
"""
)
LISTS = (
    HEAD
    + """
params = [rng.normal(size=(4, 12)) / 2, rng.normal(size=(12, 1)) / 3]
lr = 0.05
for step in range(200):
    w, v = params
    h = np.tanh(x @ w)
    d = 2 * (h @ v - y) / len(y)
    grads = [x.T @ (d @ v.T * (1 - h**2)), h.T @ d]
    params = [p - lr * g for p, g in zip(params, grads)]
"""
)
RIGHT = {"layers": LAYERS, "setattr": NAMED, "out=": OUT, "lists": LISTS}
MISTAKES = [
    ("layers", "(1 - self.y**2)", "(1 - self.y)"),
    ("setattr", "dn - dn.mean(axis=0) - n", "dn - dn.mean(axis=0) + n"),
    ("out=", "(1 - h**2)", "(1 - h)"),
]


def evidence(source, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(source)
    return step_evidence(script)


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients(name, tmp_path):
    found = evidence(RIGHT[name], tmp_path)
    assert isinstance(found[0], RightStep)
    assert not [finding for one in found for finding in ask(one)]


@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES)
def test_the_line_is_found(name, right, wrong, tmp_path):
    (found,) = evidence(RIGHT[name].replace(right, wrong), tmp_path)
    assert isinstance(found, NoLoss)
    (finding,) = ask(found)
    assert finding.at.line == RIGHT[name][: RIGHT[name].index(right)].count("\n") + 1
    assert right.replace("**", " ** ") in finding.cure or right in finding.cure


def test_targets_without_a_gradient_are_no_finding(tmp_path):
    script = OUT.replace("- y)", "- y - gamma * next_values)").replace(
        "    d = ", "    gamma, next_values = 0.9, np.tanh(np.roll(x, 1, 0) @ w) @ v\n    d = "
    )
    (found,) = evidence(script, tmp_path)
    assert isinstance(found, Unclear)


def test_the_first_step_without_moments_belongs_to_itself(tmp_path):
    script = (
        OUT.replace("for step", "m, s = {0: 0, 1: 0}, {0: 0, 1: 0}\nfor step")
        .replace(
            "        np.subtract(p, 0.05 * g, out=p)\n",
            "        k = p.shape[1] == 1\n        m[k] = 0.9 * m[k] + 0.1 * g\n"
            "        s[k] = 0.99 * s[k] + 0.01 * g**2\n"
            "        p -= 0.01 * m[k] / (np.sqrt(s[k]) + 1e-8)\n",
        )
        .replace("/ len(y)\n", "/ len(y)\n    loss = ((h @ v - y) ** 2).mean()\n")
    )
    assert isinstance(evidence(script, tmp_path)[0], RightStep)
