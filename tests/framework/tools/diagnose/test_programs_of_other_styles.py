"""Healthy scripts whose parts look wrong alone: nothing may be found, and the mistake still is."""

import pytest

from firstlight.tools.diagnose import check
from firstlight.tools.diagnose.report import Report
from firstlight.tools.diagnose.script import trainings

pytestmark = pytest.mark.slow

HEAD = """
import numpy as np
import firstlight as fl
from firstlight import nn, optim

fl.seed_everything(0)
rng = np.random.default_rng(0)
"""
SOFTMAX_AND_LOSS = (
    HEAD
    + """
class Probabilities(fl.Module):
    def forward(self, s):
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, dy):
        return dy

x = rng.standard_normal((64, 4)).astype("float32")
y = x[:, :3].argmax(axis=1)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), Probabilities())
optimizer = optim.Adam(net.parameters(), lr=0.01)
for step in range(20):
    p = net(x)
    loss = -np.log(p[np.arange(64), y]).mean()
    optimizer.zero_grad()
    net.backward((p - np.eye(3, dtype="float32")[y]) / np.float32(64))
    optimizer.step()
"""
)
PENALTY_INSIDE = (
    HEAD
    + """
class VAE(fl.Module):
    def __init__(self):
        self.enc, self.dec = nn.Linear(6, 4), nn.Linear(2, 6)
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        h = self.enc(x)
        mu, lv = h[:, :2], h[:, 2:]
        eps = self.rng.standard_normal(mu.shape).astype(x.dtype)
        self.save(mu, lv, eps)
        self.kl = 0.5 * (mu**2 + np.exp(lv) - lv - 1).sum(axis=1).mean()
        return self.dec(mu + eps * np.exp(lv / 2))

    def backward(self, dy, beta=1.0):
        mu, lv, eps = self.saved()
        dz = self.dec.backward(dy)
        dmu = dz + beta * mu / len(mu)
        dlv = dz * eps * np.exp(lv / 2) / 2 + beta * (np.exp(lv) - 1) / 2 / len(mu)
        return self.enc.backward(np.concatenate([dmu, dlv], axis=1))

x = rng.standard_normal((64, 6)).astype("float32")
net, beta = VAE(), 0.1
optimizer = optim.Adam(net.parameters(), lr=0.01)
for step in range(20):
    r = net(x)
    loss = 0.5 * ((r - x) ** 2).sum(axis=1).mean() + beta * net.kl
    optimizer.zero_grad()
    net.backward((r - x) / np.float32(64), beta)
    optimizer.step()
"""
)
DENSITY = (
    HEAD
    + """
class MixtureLoss(fl.Module):
    def forward(self, out, y):
        k = out.shape[1] // 2
        a, mu = out[:, :k], out[:, k:]
        joint = a - np.log(np.exp(a).sum(1, keepdims=True)) - 0.5 * (y - mu) ** 2
        total = np.log(np.exp(joint - joint.max(1, keepdims=True)).sum(1, keepdims=True))
        total += joint.max(1, keepdims=True)
        pi = np.exp(a) / np.exp(a).sum(1, keepdims=True)
        self.save(pi, np.exp(joint - total), y - mu)
        return -total.mean()

    def backward(self):
        pi, r, z = self.saved()
        return np.concatenate([pi - r, -r * z], axis=1) / len(pi)

y = rng.uniform(-2, 2, (64, 1)).astype("float32")
x = y**2
net, loss = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 4)), MixtureLoss()
optimizer = optim.Adam(net.parameters(), lr=0.01)
for step in range(20):
    loss(net(x), y)
    optimizer.zero_grad()
    net.backward(loss.backward())
    optimizer.step()
"""
)
STATES = (
    HEAD
    + """
states, test_goal = np.eye(5, dtype="float32"), np.zeros((1, 5), "float32")
value = rng.standard_normal((5, 2))
q = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = optim.Adam(q.parameters(), lr=0.01)
for step in range(20):
    s, a = rng.integers(0, 5, 16), rng.integers(0, 2, 16)
    found = q(states[s])
    dy = np.zeros_like(found)
    dy[np.arange(16), a] = (found[np.arange(16), a] - (a == s % 2)) / 16
    optimizer.zero_grad()
    q.backward(dy)
    optimizer.step()
value = q(states)
"""
)
DECAY = """
import numpy as np

rng = np.random.default_rng(0)
P, Q = 0.1 * rng.normal(size=(8, 2)), 0.1 * rng.normal(size=(6, 2))
true = rng.normal(size=(8, 1)) @ rng.normal(size=(1, 6))
pairs = [(u, i) for u in range(8) for i in range(6)]
for epoch in range(3):
    total = 0.0
    for u, i in pairs:
        e = P[u] @ Q[i] - true[u, i]
        gu, gi = e * Q[i] + 0.02 * P[u], e * P[u] + 0.02 * Q[i]
        P[u] -= 0.05 * gu
        Q[i] -= 0.05 * gi
        total += e * e
"""
HEALTHY = {
    "softmax whose backward is that of the loss": SOFTMAX_AND_LOSS,
    "a penalty inside a module": PENALTY_INSIDE,
    "outputs that are parameters of a density": DENSITY,
    "all states of a small world": STATES,
    "weight decay beside half of the loss": DECAY,
}
MISTAKES = {
    "the loss's gradient lacks the labels": (
        SOFTMAX_AND_LOSS.replace("p - np.eye", "p - 0.5 * np.eye"),
        "chain-rule",
    ),
    "the noise is forgotten": (PENALTY_INSIDE.replace("dz * eps *", "dz *"), "chain-rule"),
    "the decay has the wrong sign": (
        DECAY.replace("+ 0.02 * P[u]", "- 0.02 * P[u]"),
        "step-term",
    ),
}


def kinds(script, folder):
    """Return the kinds of the findings about a script."""
    path = folder / "script.py"
    path.write_text(script)
    found, _ = trainings(path)
    names, noted = set(), set()
    reports = []
    for training in found:
        report = Report("script")
        if training.model is not None:
            report = check(training.model, training.data, calls=training.calls)
        for evidence in training.evidence:
            noted |= {one.kind for one in report.examine(evidence)}
        reports.append(report)
    for report in reports:
        report.drop_consequences(noted)
        names |= {one.kind for one in report.findings}
    return names


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_script_is_right(name, tmp_path):
    assert kinds(HEALTHY[name], tmp_path) == set()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_such_a_script_is_found(name, tmp_path):
    script, kind = MISTAKES[name]
    assert kind in kinds(script, tmp_path)


REVERSED = """
class Stack(fl.Module):
    def __init__(self):
        self.layers = [nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)]

    def forward(self, x):
        self.save(x)
        for layer in self.layers:
            x = layer(x)
        return x * x

    def backward(self, dy):
        {words}
        self.saved()
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


x = rng.standard_normal((32, 3)).astype("float32")
net = Stack()
net.loss = nn.MSELoss()
net.configure_optimizer = lambda: optim.Adam(net.parameters(), lr=0.01)
fl.Trainer(max_epochs=1).fit(net, (x, np.abs(x[:, :2])))
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("# the layers in reverse order", True),
        ("# through the reversed stack", True),
        ("# reversing what forward did", True),
        ("# gradient reversal", False),
        ("# reverses the gradient", False),
        ("# a straight-through estimate", False),
        ("# absichtlich ohne die Ableitung", False),
    ],
)
def test_only_words_about_the_gradient_state_a_purpose(words, found, tmp_path):
    assert bool(kinds(HEAD + REVERSED.format(words=words), tmp_path)) == found
