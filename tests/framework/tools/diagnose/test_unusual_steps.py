"""Right scripts that write a step in an unusual way: judged where that is possible, no findings."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.steps.script_steps import RightStep, step_evidence

HEAD = """
import numpy as np

rng = np.random.default_rng(1)
x = rng.normal(size=(60, 4))
y = np.tanh(x[:, :1] - x[:, 1:2])
"""
JUDGED = {
    "Adam of lists with a warm-up": """
import numpy as np

def rate(step):
    return 0.02 * (step + 1) / 30

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 5))
y = np.maximum(x[:, :1], 0) - np.maximum(-x[:, 1:2], 0)
w = [rng.normal(size=(5, 20)) * 0.6, np.zeros(20), rng.normal(size=(20, 1)) * 0.3, np.zeros(1)]
m, v, losses = [0 * a for a in w], [0 * a for a in w], []
for step in range(30):
    h = np.maximum(x @ w[0] + w[1], 0)
    r = h @ w[2] + w[3] - y
    losses.append(float(np.mean(r**2)))
    d = 2 * r / r.size
    da = d @ w[2].T * (h > 0)
    g = [x.T @ da, da.sum(0), h.T @ d, d.sum(0)]
    for i in range(4):
        m[i] = 0.9 * m[i] + 0.1 * g[i]
        v[i] = 0.99 * v[i] + 0.01 * g[i] ** 2
        m_hat, v_hat = m[i] / (1 - 0.9 ** (step + 1)), v[i] / (1 - 0.99 ** (step + 1))
        w[i] -= rate(step) * m_hat / (np.sqrt(v_hat) + 1e-8)
""",
    "gradients clipped in place": HEAD
    + """
w, b = np.zeros((4, 1)), np.zeros(1)
for step in range(60):
    e = 9 * (np.tanh(x @ w + b) - y)
    loss = (e**2).mean() / 9
    d = 2 * e * (1 - np.tanh(x @ w + b) ** 2) / e.size
    dw, db = x.T @ d, d.sum(axis=0)
    for g in (dw, db):
        np.clip(g, -0.01, 0.01, out=g)
    w -= 0.1 * dw
    b -= 0.1 * db
""",
    "plain floats": """
xs = [0.1, 0.5, 0.8, 0.3]
a = b = 0.0
for epoch in range(30):
    total = 0.0
    for x in xs:
        e = a * x + b - 3 * x
        total += e * e
        a -= 0.1 * 2 * e * x
        b -= 0.1 * 2 * e
    print(total / len(xs))
""",
    "annotations": """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np


@dataclass
class Line:
    w: np.ndarray

    @classmethod
    def create(cls, n: int) -> Line:
        return cls(np.zeros(n))


x = np.random.default_rng(0).normal(size=(30, 3))
y, line = x @ [1.0, 2.0, 3.0], Line.create(3)
for step in range(50):
    r = x @ line.w - y
    loss = (r**2).mean()
    line.w -= 0.1 * 2 * x.T @ r / len(x)
""",
}
OTHER_DATA = (
    HEAD
    + """
p = {"w": rng.normal(size=(4, 8)) / 2, "v": rng.normal(size=(8, 1)) / 3}
for step in range(60):
    i = rng.integers(0, 40, 10)
    h = np.tanh(x[i] @ p["w"])
    d = 2 * (h @ p["v"] - y[i]) / 10
    g = {"w": x[i].T @ (d @ p["v"].T * (1 - h**2)), "v": h.T @ d}
    for k in p:
        p[k] -= 0.1 * g[k]
    if step % 10 == 0:
        print(step, np.mean((np.tanh(x[40:] @ p["w"]) @ p["v"] - y[40:]) ** 2))
"""
)


def evidence(source, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(source)
    return step_evidence(script)


@pytest.mark.parametrize("name", JUDGED)
def test_it_is_right(name, tmp_path):
    found = evidence(JUDGED[name], tmp_path)
    assert isinstance(found[0], RightStep)
    assert not [finding for one in found for finding in ask(one)]


def test_a_number_of_other_data_is_not_taken_for_the_loss(tmp_path):
    found = evidence(OTHER_DATA, tmp_path)
    assert isinstance(found[0], RightStep)  # by second derivatives
    assert not [finding for one in found for finding in ask(one)]
