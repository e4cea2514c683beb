"""Scripts in several styles whose gradients are right: no finding about their steps."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.steps.script_steps import step_evidence
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

HEAD = """
import numpy as np

rng = np.random.default_rng(1)
x = rng.normal(size=(60, 4))
y = np.tanh(x[:, :1] - x[:, 1:2])
"""
STYLES = {
    "class_net": HEAD
    + """
class Net:
    def __init__(self, n):
        self.W1 = rng.normal(size=(4, n)) / 2
        self.b1 = np.zeros(n)
        self.W2 = rng.normal(size=(n, 1)) / 2
        self.b2 = np.zeros(1)
    def forward(self, x):
        self.x = x
        self.h = np.maximum(x @ self.W1 + self.b1, 0)
        return self.h @ self.W2 + self.b2
    def backward(self, d):
        self.dW2 = self.h.T @ d
        self.db2 = d.sum(0)
        dh = (d @ self.W2.T) * (self.h > 0)
        self.dW1 = self.x.T @ dh
        self.db1 = dh.sum(0)
    def step(self, lr):
        self.W1 -= lr * self.dW1
        self.b1 -= lr * self.db1
        self.W2 -= lr * self.dW2
        self.b2 -= lr * self.db2
net = Net(8)
for epoch in range(20):
    for i in range(0, 60, 20):
        p = net.forward(x[i:i+20])
        loss = np.mean((p - y[i:i+20]) ** 2)
        net.backward(2 * (p - y[i:i+20]) / len(p))
        net.step(0.05)
    print(epoch, loss)
""",
    "adam_dict": HEAD
    + """
params = {"W": rng.normal(size=(4, 6)) / 2, "v": rng.normal(size=(6, 1)) / 2}
m = {k: np.zeros_like(v) for k, v in params.items()}
s = {k: np.zeros_like(v) for k, v in params.items()}
def loss_and_grads(params):
    h = np.tanh(x @ params["W"])
    e = h @ params["v"] - y
    loss = (e**2).mean()
    d = 2 * e / e.size
    return loss, {"v": h.T @ d, "W": x.T @ (d @ params["v"].T * (1 - h**2))}
t = 0
while t < 50:
    t += 1
    loss, grads = loss_and_grads(params)
    for k in params:
        g = grads[k]
        m[k] = 0.9 * m[k] + 0.1 * g
        s[k] = 0.999 * s[k] + 0.001 * g**2
        rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params[k] = params[k] - rate * m[k] / (np.sqrt(s[k]) + 1e-8)
""",
    "jax_style": HEAD
    + """
def init():
    return [(rng.normal(size=(4, 5)) / 2, np.zeros(5)), (rng.normal(size=(5, 1)) / 2, np.zeros(1))]
def loss_fn(params, x, y):
    (a, b), (c, d) = params
    return ((np.tanh(x @ a + b) @ c + d - y) ** 2).mean()
def grad(params, x, y):
    (a, b), (c, d) = params
    h = np.tanh(x @ a + b)
    e = 2 * (h @ c + d - y) / len(x)
    dz = e @ c.T * (1 - h * h)
    return [(x.T @ dz, dz.sum(0)), (h.T @ e, e.sum(0))]
def update(params, grads, lr):
    return [(w - lr * dw, b - lr * db) for (w, b), (dw, db) in zip(params, grads)]
params = init()
for step in range(50):
    g = grad(params, x, y)
    params = update(params, g, 0.1)
    if step % 10 == 0:
        print(loss_fn(params, x, y))
""",
    "rnn_hand": """
import numpy as np
rng = np.random.default_rng(0)
data = np.sin(np.arange(200) * 0.3)
Wx, Wh = rng.normal(size=(8, 1)) * 0.3, rng.normal(size=(8, 8)) * 0.2
Wy = rng.normal(size=(1, 8)) * 0.3
bh, by = np.zeros((8, 1)), np.zeros((1, 1))
h = np.zeros((8, 1))
for step in range(100):
    p = (step * 10) % 180
    xs, ts = data[p:p+10], data[p+1:p+11]
    hs, ys, loss = {-1: h}, {}, 0.0
    for t in range(10):
        hs[t] = np.tanh(Wx * xs[t] + Wh @ hs[t-1] + bh)
        ys[t] = Wy @ hs[t] + by
        loss += 0.5 * float((ys[t][0, 0] - ts[t]) ** 2)
    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dnext = np.zeros_like(h)
    for t in reversed(range(10)):
        dy = ys[t] - ts[t]
        dWy += dy @ hs[t].T
        dby += dy
        dh = Wy.T @ dy + dnext
        da = (1 - hs[t] ** 2) * dh
        dbh += da
        dWx += da * xs[t]
        dWh += da @ hs[t-1].T
        dnext = Wh.T @ da
    for d in (dWx, dWh, dWy, dbh, dby):
        np.clip(d, -5, 5, out=d)
    for w, d in zip((Wx, Wh, Wy, bh, by), (dWx, dWh, dWy, dbh, dby)):
        w -= 0.01 * d
    h = hs[9]
""",
    "td_learning": """
import numpy as np
rng = np.random.default_rng(0)
w = np.zeros(5)
F = rng.normal(size=(20, 5))
errors = []
for episode in range(50):
    s = rng.integers(0, 20)
    loss = 0.0
    s2 = (s + 1) % 20
    r = float(s == 3)
    delta = r + 0.9 * F[s2] @ w - F[s] @ w
    loss = 0.5 * delta**2
    w += 0.05 * delta * F[s]
    errors.append(loss)
""",
    "mse_monitor_half": HEAD
    + """
w = np.zeros((4, 1))
for step in range(30):
    e = x @ w - y
    print("mse", (e**2).mean())
    w -= 0.1 * x.T @ e / len(x)
""",
    "softmax_minibatch": """
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(90, 4)); t = x[:, :3].argmax(1)
W = np.zeros((4, 3)); b = np.zeros(3)
def batches(n):
    order = rng.permutation(90)
    for i in range(0, 90, n):
        yield x[order[i:i+n]], t[order[i:i+n]]
for epoch in range(10):
    total, correct = 0.0, 0
    for xb, tb in batches(30):
        z = xb @ W + b
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z); p /= p.sum(axis=1, keepdims=True)
        total += -np.log(p[np.arange(len(tb)), tb]).sum()
        correct += (p.argmax(1) == tb).sum()
        d = p.copy(); d[np.arange(len(tb)), tb] -= 1
        d /= len(tb)
        W -= 0.5 * xb.T @ d
        b -= 0.5 * d.sum(axis=0)
    print(total / 90, correct / 90)
""",
    "word2vec_rows": """
import numpy as np
rng = np.random.default_rng(0)
V = rng.normal(size=(10, 4)) * 0.1; U = rng.normal(size=(10, 4)) * 0.1
for step in range(100):
    c, o, label = rng.integers(0, 10), rng.integers(0, 10), float(rng.integers(0, 2))
    s = 1 / (1 + np.exp(-V[c] @ U[o]))
    loss = -np.log(s) if label else -np.log(1 - s)
    g = s - label
    dv, du = g * U[o], g * V[c]
    V[c] -= 0.1 * dv
    U[o] -= 0.1 * du
""",
    "gd_scalar": """
import numpy as np
a, b, lr = 1.0, -1.0, 0.01
for i in range(100):
    f = (a - 3)**2 + 10 * (b + 2)**2
    a = a - lr * 2 * (a - 3)
    b = b - lr * 20 * (b + 2)
""",
    "em_ascent": """
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(2, 1, 100)
mu = 0.0
for i in range(50):
    loglik = -0.5 * ((x - mu) ** 2).mean()
    mu += 0.1 * (x - mu).mean()
""",
    "kmeans": """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2)); C = X[:3].copy()
for step in range(20):
    d = ((X[:, None] - C) ** 2).sum(-1); a = d.argmin(1)
    inertia = d.min(1).sum()
    for k in range(3):
        C[k] = X[a == k].mean(0)
""",
    "perceptron_seq": """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(50, 2)); Y = np.sign(X[:, 0] + 0.5)
w = np.zeros(2); b = 0.0
for epoch in range(5):
    errors = 0.0
    for xi, yi in zip(X, Y):
        if yi * (xi @ w + b) <= 0:
            w += yi * xi
            b += yi
            errors += 1.0
    print(errors)
""",
    "wd_not_in_loss": HEAD
    + """
W = [rng.normal(size=(4, 5)) / 2, rng.normal(size=(5, 1)) / 2]
V = [np.zeros_like(w) for w in W]
lam, lr = 1e-3, 0.05
for step in range(40):
    h = np.tanh(x @ W[0])
    e = h @ W[1] - y
    loss = 0.5 * (e**2).sum() / len(x)
    d = e / len(x)
    grads = [x.T @ (d @ W[1].T * (1 - h**2)) + lam * W[0], h.T @ d + lam * W[1]]
    for w, v, g in zip(W, V, grads):
        v *= 0.9
        v += g
        w -= lr * v
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_healthy_scripts(style, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(STYLES[style])
    assert not [found for one in step_evidence(script) for found in ask(one)]


@pytest.mark.parametrize(
    ("style", "right", "wrong"),
    [
        ("class_net", "self.h.T @ d", "self.h.T @ d * 7"),
    ],
)
def test_mistakes(style, right, wrong, tmp_path):
    script = tmp_path / "train.py"
    assert right in STYLES[style]
    script.write_text(STYLES[style].replace(right, wrong, 1))
    assert [one for one in step_evidence(script) if isinstance(one, WrongStep)]


@pytest.mark.slow
def test_a_factor_is_that_to_the_loss_which_the_other_gradients_fit(tmp_path):
    source = STYLES["class_net"].replace("print(epoch, loss)", "print(epoch, total / 60)")
    source = source.replace(
        "    for i in range(0, 60, 20):", "    total = 0.0\n    for i in range(0, 60, 20):"
    )
    source = source.replace(
        "        net.backward(", "        total += loss * 20\n        net.backward("
    )
    source = source.replace("self.db1 = dh.sum(0)", "self.db1 = dh.mean(0)")
    script = tmp_path / "train.py"
    script.write_text(source)
    (found,) = (said for one in step_evidence(script) for said in ask(one))
    assert "20 times too small" in found.message
