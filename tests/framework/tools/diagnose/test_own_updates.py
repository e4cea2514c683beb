"""Updates that a script writes itself: the usual rules are right, one mistake in them is named."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.steps.script_steps import step_evidence

HEAD = """
import numpy as np

rng = np.random.default_rng(1)
x = rng.normal(size=(60, 4))
y = np.tanh(x[:, :1] - x[:, 1:2])
params = {"W": rng.normal(size=(4, 6)) / 2, "b": np.zeros(6), "v": rng.normal(size=(6, 1)) / 2}


def gradients(params):
    h = np.tanh(x @ params["W"] + params["b"])
    error = h @ params["v"] - y
    d = 2 * error / error.size
    dz = d @ params["v"].T * (1 - h**2)
    return (error**2).mean(), {"W": x.T @ dz, "b": dz.sum(axis=0), "v": h.T @ d}
"""
MADE = "velocity = {k: np.zeros_like(p) for k, p in params.items()}"
MOMENTUM = (
    HEAD
    + MADE
    + """
for epoch in range(30):
    loss, grads = gradients(params)
    for k in params:
        velocity[k] = 0.9 * velocity[k] - 0.05 * grads[k]
        params[k] += velocity[k]
"""
)
ADAM = (
    HEAD
    + """

class Adam:
    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m, self.v = {}, {}

    def step(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, np.zeros_like(g)) + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v.get(k, np.zeros_like(g)) + (1 - self.beta2) * g**2
            m_hat = self.m[k] / (1 - self.beta1**self.t)
            v_hat = self.v[k] / (1 - self.beta2**self.t)
            params[k] = params[k] - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


optimizer = Adam(0.01)
for epoch in range(30):
    loss, grads = gradients(params)
    optimizer.step(params, grads)
"""
)
IN_PLACE = MOMENTUM.replace(
    """        velocity[k] = 0.9 * velocity[k] - 0.05 * grads[k]
        params[k] += velocity[k]
""",
    """        v = velocity[k]
        v *= 0.9
        v -= 0.05 * grads[k]
        if k == "b":
            params[k] += v
        else:
            params[k] += v
""",
)
HEALTHY = {
    "momentum": MOMENTUM,
    "momentum in place": IN_PLACE,
    "nesterov": MOMENTUM.replace("+= velocity[k]", "+= 0.9 * velocity[k] - 0.05 * grads[k]"),
    "averaged": MOMENTUM.replace("- 0.05 * grads[k]", "+ 0.1 * grads[k]").replace(
        "+= velocity[k]", "-= 0.05 * velocity[k]"
    ),
    "clipped": MOMENTUM.replace(
        "    for k in params",
        "    grads = {k: np.clip(g, -0.01, 0.01) for k, g in grads.items()}\n    for k in params",
    ),
    "ascent": MOMENTUM.replace("loss, grads =", "gain, grads =")
    .replace("return (error**2)", "return -(error**2)")
    .replace("d = 2", "d = -2")
    .replace("- 0.05", "+ 0.05"),
    "adam": ADAM,
    "without correction": ADAM.replace("Adam", "Rule")
    .replace(" / (1 - self.beta1**self.t)", "")
    .replace(" / (1 - self.beta2**self.t)", ""),
}
MISTAKES = {
    "weights replaced": (IN_PLACE, "params[k] += v", "params[k] = v"),
    "uphill": (MOMENTUM, "+= velocity[k]", "-= velocity[k]"),
    "one uphill": (MOMENTUM, "velocity[k]\n", 'velocity[k] * (-1 if k == "b" else 1)\n'),
    "pushed back": (MOMENTUM, "= 0.9 *", "= -0.9 *"),
    "made again": (MOMENTUM, "    for k", f"    {MADE}\n    for k"),
    "second moment lost": (ADAM, "    self.t += 1", "    self.t += 1\n        self.v = {}"),
    "a step for each array": (
        ADAM,
        "        self.t += 1\n        for k, g in grads.items():\n",
        "        for k, g in grads.items():\n            self.t += 1\n",
    ),
    "no root": (ADAM, "np.sqrt(v_hat)", "v_hat"),
    "not corrected": (
        ADAM,
        *(
            " / (1 - self.beta1**self.t)\n            v_hat = self.v[k] / (1 - self.beta2**self.t)",
            "\n            v_hat = self.v[k]",
        ),
    ),
    "one corrected": (ADAM, " / (1 - self.beta2**self.t)", ""),
}


def kinds(path, text):
    """Return the kinds of mistakes in the steps of a script."""
    path.write_text(text)
    return {found.kind for evidence in step_evidence(path) for found in ask(evidence)}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_usual_rules_are_right(name, tmp_path):
    assert kinds(tmp_path / "train.py", HEALTHY[name]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake_is_named(name, tmp_path):
    script, right, wrong = MISTAKES[name]
    assert right in script
    assert kinds(tmp_path / "train.py", script.replace(right, wrong, 1)) == {"own-update"}
