"""The first wrong value of a script's own backward pass."""

import pytest

from firstlight.tools.diagnose.probes.steps.script_steps import step_evidence
from firstlight.tools.diagnose.probes.steps.step_place import first_wrong_value
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

NETWORK = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4))
y = np.tanh(x[:, :1] - x[:, 1:2])
params = [(rng.normal(size=(4, 8)) / 2, np.zeros(8)), (rng.normal(size=(8, 1)) / 3, np.zeros(1))]


def gradients(params, x, y):
    (w, b), (v, c) = params
    z = x @ w + b
    h = z * np.exp(-z * z)
    error = h @ v + c - y
    d = 2 * error / len(x)
    dh = d @ v.T
    dz = dh * np.exp(-z * z) * (1 - 2 * z * z)
    return (error**2).mean(), [(x.T @ dz, dz.sum(axis=0)), (h.T @ d, d.sum(axis=0))]


for step in range(40):
    loss, grads = gradients(params, x, y)
    params = [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(params, grads)]
    print(loss)
"""
RECURRENT = """
import numpy as np

rng = np.random.default_rng(0)
x = np.sin(np.arange(40))
u, w, v = rng.normal(size=(6, 1)), rng.normal(size=(6, 6)) / 3, rng.normal(size=(1, 6)) / 2
for step in range(40):
    hs, ys, loss = {-1: np.zeros((6, 1))}, {}, 0.0
    for t in range(8):
        hs[t] = np.tanh(u * x[step % 30 + t] + w @ hs[t - 1])
        ys[t] = v @ hs[t]
        loss += 0.5 * float((ys[t][0, 0] - x[step % 30 + t + 1]) ** 2)
    du, dw, dv = np.zeros_like(u), np.zeros_like(w), np.zeros_like(v)
    after = np.zeros((6, 1))
    for t in reversed(range(8)):
        dy = ys[t] - x[step % 30 + t + 1]
        dv += dy @ hs[t].T
        dh = v.T @ dy + after
        da = (1 - hs[t] ** 2) * dh
        du += da * x[step % 30 + t]
        dw += da @ hs[t - 1].T
        after = w.T @ da
    for p, d in zip((u, w, v), (du, dw, dv)):
        p -= 0.01 * d
"""


def wrong_steps(source, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(source)
    return [one for one in step_evidence(script) if isinstance(one, WrongStep)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        (NETWORK, "(1 - 2 * z * z)", "(3 + z * h)"),
        (NETWORK, "d = 2 * error / len(x)", "d = 2 * error * np.abs(error) / len(x)"),
        (NETWORK, "dh = d @ v.T", "dh = d @ v.T * h"),
        (RECURRENT, "dw += da @ hs[t - 1].T", "dw += da @ hs[t - 1].T * u"),
        (RECURRENT, "dh = v.T @ dy + after", "dh = v.T @ dy * u + after"),
    ],
)
def test_the_line_is_found(source, right, wrong, tmp_path):
    changed = source.replace(right, wrong, 1)
    assert changed != source
    found = wrong_steps(changed, tmp_path)
    assert len(found) == 1
    place = first_wrong_value(found[0].check)
    line = next(n for n, text in enumerate(changed.splitlines(), 1) if wrong in text)
    assert place is not None
    assert place.at.line == line


@pytest.mark.parametrize("source", [NETWORK, RECURRENT])
def test_right_steps_have_none(source, tmp_path):
    assert not wrong_steps(source, tmp_path)


def test_a_gradient_beside_larger_ones_is_judged(tmp_path):
    wrong = NETWORK.replace("(h.T @ d, d.sum(axis=0))", "(h.T @ d, -d.sum(axis=0))")
    assert wrong_steps(wrong, tmp_path)
