"""Samples that are followed through a script: right origins, and silence about healthy scripts."""

import types

import numpy as np
import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.flow.sample_flow import sample_flow
from firstlight.tools.diagnose.probes.flow.traced_array import Origin
from firstlight.tools.diagnose.probes.flow.traced_random import tracing_numpy
from firstlight.tools.diagnose.probes.flow.traced_rules import Rules
from firstlight.tools.diagnose.probes.script.trace import trace

START = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(0, 1, (120, 4))
y = 2 * x[:, 0] - x[:, 1] + 0.1 * rng.normal(size=120)
w = np.zeros(4)


def step(xb, yb):
    global w
    error = xb @ w - yb
    w = w - 0.1 * xb.T @ error / len(xb)
    return np.mean(error**2)
"""
LOOP = """
for epoch in range(5):
    for i in range(0, 96, 16):
        loss = step(x_train[i : i + 16], y_train[i : i + 16])
    print(loss, np.mean((x_val @ w - y_val) ** 2))
"""
SPLIT = "x_train, y_train, x_val, y_val = x[:96], y[:96], x[96:], y[96:]\n"
SCALED = """
x = 3 * x + 1
x_train, y_train, x_val, y_val = x[:96], y[:96], x[96:], y[96:]
m, s = x_train.mean(0), x_train.std(0)
x_train, x_val = (x_train - m) / s, (x_val - m) / s
"""
NETWORK = """
V, W = rng.normal(size=(4, 20)) / 2, np.zeros(20)
average = np.zeros(20)


def drop(h, active):
    return h * (rng.random(h.shape) >= 0.3) / 0.7 if active else h


def norm(h, training):
    global average
    mean = h.mean(axis=0) if training else average
    if training:
        average = 0.9 * average + 0.1 * mean
    return h - mean


x_train, y_train, x_val, y_val = x[:96], y[:96], x[96:], y[96:]
for epoch in range(5):
    for i in range(0, 96, 16):
        h = part(np.tanh(x_train[i : i + 16] @ V), True)
        error = h @ W - y_train[i : i + 16]
        print(np.mean(error**2))
        W -= 0.05 * h.T @ error / 16
        V -= 0.0001 * x_train[i : i + 16].T @ np.outer(error, W)
print(np.mean((part(np.tanh(x_val @ V), True) @ W - y_val) ** 2))
"""
EVALUATED = NETWORK.replace("x_val @ V), True", "x_val @ V), False")
SEVERAL = "print(np.mean([np.mean((part(np.tanh(x_val @ V), True) @ W - y_val) ** 2) for _ in x]))"
HEALTHY = {
    "a running mean over the wrong axis": "x = x / 9 + np.eye(4)[np.arange(120) % 4]\n"
    + EVALUATED.replace("part(", "norm(")
    .replace("average = np.zeros(20)", "average = np.zeros((16, 1))")
    .replace("h.mean(axis=0)", "h.mean(axis=1, keepdims=True)")
    .replace("x_val @ V), False) @ W - y_val)", "x_val[:16] @ V), False) @ W - y_val[:16])"),
    "the next value of a slow series is learned": """
t = np.linspace(0, 6, 120)
x = np.stack([np.sin(t), np.cos(t), t, t**2], axis=1) / 9
y = x[:, 0]
"""
    + SPLIT.replace("y[:96]", "y[1:97]")
    + LOOP,
    "scaled alike": SCALED + LOOP,
    "drop only in the training": EVALUATED.replace("part(", "drop("),
    "many random predictions": (EVALUATED + SEVERAL).replace("part(", "drop("),
    "running average in the evaluation": EVALUATED.replace("part(", "norm("),
    "outer product of all labels": "x = x + np.outer(y, [1, 2, 0, 0])\n" + SPLIT + LOOP,
    "split": SPLIT + LOOP,
    "shuffled together": "p = rng.permutation(120)\nx, y = x[p], y[p]\n" + SPLIT + LOOP,
    "constant scale": "x = (x - 0.1) / 2\n" + SPLIT + LOOP,
    "scale of the training": SPLIT
    + "m, s = x_train.mean(0), x_train.std(0)\nx_train, x_val = (x_train - m) / s, (x_val - m) / s"
    + LOOP,
    "a few training samples are evaluated too": SPLIT
    + LOOP
    + "print(np.mean((x_train[:20] @ w - y_train[:20]) ** 2))\n",
    "several steps with each batch": SPLIT
    + LOOP.replace("loss = step", "for _ in range(5):\n            loss = step"),
    "cross validation": """
for fold in range(4):
    held = np.arange(120) % 4 == fold
    x_train, y_train, x_val, y_val = x[~held], y[~held], x[held], y[held]
    w = np.zeros(4)
    for i in range(0, 90, 15):
        loss = step(x_train[i : i + 15], y_train[i : i + 15])
    print(loss, np.mean((x_val @ w - y_val) ** 2))
""",
}
MISTAKES = {
    "scaled by themselves": (
        "test-scale",
        SCALED.replace("(x_val - m) / s", "(x_val - x_val.mean(0)) / x_val.std(0)") + LOOP,
    ),
    "not scaled": ("test-scale", SCALED.replace("(x_val - m) / s", "x_val") + LOOP),
    "drop in the evaluation": ("eval-mode", NETWORK.replace("part(", "drop(")),
    "statistics of the evaluation": ("eval-mode", NETWORK.replace("part(", "norm(")),
    "the same rows read again": (
        "overlap",
        "z = x[:40].copy().tolist()\n" + SPLIT + "x_val, y_val = np.array(z), y[:40]\n" + LOOP,
    ),
    "labels keep their order": ("label-order", "x = x[rng.permutation(120)]\n" + SPLIT + LOOP),
    "labels are shifted": ("label-order", SPLIT + "y_train = np.roll(y_train, 1)" + LOOP),
    "shuffled in place": ("label-order", "rng.shuffle(y)\n" + SPLIT + LOOP),
    "scale of all": ("data-leak", "x = (x - x.mean(0)) / x.std(0)\n" + SPLIT + LOOP),
    "validation is trained": (
        "overlap",
        SPLIT.replace("x[:96], y[:96]", "x, y") + LOOP.replace("96", "120"),
    ),
    "doubled before the split": (
        "overlap",
        "p = rng.permutation(240) % 120\nx, y = x[p] + 0.01, y[p]\n" + SPLIT + LOOP,
    ),
    "index stands still": ("same-batch", SPLIT + LOOP.replace("[i : i + 16]", "[:16]")),
    "second half is never used": ("unseen-samples", SPLIT + LOOP.replace("96, 16", "48, 16")),
    "windows split at random": (
        "overlap",
        """
series = np.sin(np.arange(124) / 5)
x, y = np.stack([series[i : i + 4] for i in range(120)]), series[4:]
p = rng.permutation(120)
x, y = x[p], y[p]
"""
        + SPLIT
        + LOOP,
    ),
}
X = np.arange(12.0).reshape(6, 2)


def kinds_in(code, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(START + code)
    return [one.kind for one in ask(sample_flow(script, [], trace(script, [])))]


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_scripts_have_no_findings(name, tmp_path):
    assert kinds_in(HEALTHY[name], tmp_path) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name, tmp_path):
    kind, code = MISTAKES[name]
    assert kinds_in(code, tmp_path)[:1] == [kind]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x[[4, 1]], [4, 1]),
        (lambda x: (x - 1)[::2].T.T, [0, 2, 4]),
        (lambda x: np.concatenate([x[4:], x[:1]]), [4, 5, 0]),
        (lambda x: np.tanh(x @ np.ones((2, 3))), range(6)),
        (lambda x: np.einsum("nd,dh->nh", x, np.ones((2, 3))), range(6)),
        (lambda x: x.reshape(3, 2, 2)[1], [2, 3]),
        (lambda x: np.sort(-x[:, 0]), [5, 4, 3, 2, 1, 0]),
        (lambda x: np.eye(12)[x[3:, 0].astype(int)], [3, 4, 5]),
        (lambda x: x.sum(axis=1), range(6)),
        (lambda x: np.roll(x, 1, axis=0), [5, 0, 1, 2, 3, 4]),
    ],
)
def test_results_know_their_samples(call, expected):
    x = traced(X)
    with tracing_numpy(x.rules):
        result = call(x)
    ids = np.broadcast_to(result.origin.ids, result.shape).reshape(len(result), -1)
    assert ids[:, 0].tolist() == list(expected)
    assert np.array_equal(np.asarray(result), call(X))


def test_a_shuffle_moves_values_and_samples_together():
    x = traced(X.copy())
    with tracing_numpy(x.rules):
        np.random.default_rng(1).shuffle(x)
    assert np.array_equal(np.asarray(x)[:, 0] / 2, x.origin.ids.ravel())


def test_a_statistic_knows_all_its_samples():
    scaled = traced(X)[2:] - traced(X)[:4].mean(axis=0)
    (statistic,) = scaled.origin.reductions
    assert statistic.samples.tolist() == [0, 1, 2, 3]
    assert scaled.origin.ids.ravel().tolist() == [2, 3, 4, 5]


def traced(x):
    flow = types.SimpleNamespace(
        index=0,
        now=lambda array: (0, None, (), ()),
        reordered=lambda origin: None,
        compared=print,
    )
    return Rules(flow).made(x, Origin(np.arange(len(x))[:, None]))
