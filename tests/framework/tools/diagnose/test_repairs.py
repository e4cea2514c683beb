"""The search for repairs finds the line that is wrong, in modules of several styles."""

import importlib.util

import numpy as np
import pytest

from firstlight.tools.diagnose.verdict import Verdict

HEAD = "import numpy as np\n\nimport firstlight as fl\n\n\nclass M(fl.Module):\n"

MODULES = {
    "standardize": """
    def __init__(self):
        self.g = fl.Parameter(np.linspace(0.5, 2, 5))

    def forward(self, x):
        m = x.mean(0)
        s = np.sqrt(((x - m) ** 2).mean(0) + 1e-5)
        h = (x - m) / s
        self.save(h, s)
        return h * self.g.data

    def backward(self, dy):
        h, s = self.saved()
        self.g.grad += (dy * h).sum(0)
        d = dy * self.g.data
        return (d - d.mean(0) - h * (d * h).mean(0)) / s
""",
    "smooth": """
    def forward(self, z):
        n, k = z.shape
        e = np.exp(z - z.max(1, keepdims=True))
        self.p = e / e.sum(1, keepdims=True)
        self.y = np.arange(n) % k
        self.t = np.eye(k)[self.y] * 0.9 + 0.1 / k
        return -np.sum(self.t * np.log(self.p)) / n

    def backward(self, dloss=1.0):
        n, k = self.p.shape
        d = self.p - self.t
        return d / n * dloss
""",
    "softmax": """
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        self.save(p)
        return p

    def backward(self, dy):
        (p,) = self.saved()
        return p * (dy - (dy * p).sum(axis=1, keepdims=True))
""",
    "largest": """
    def forward(self, x):
        n, c = x.shape
        t = x.reshape(n, 1, c)
        y = t.max(axis=2)
        self.t = t
        return y

    def backward(self, dy):
        mask = self.t == self.t.max(axis=2, keepdims=True)
        d = dy[:, :, None] * mask
        return d.reshape(len(dy), -1)
""",
    "gate": """
    def __init__(self):
        self.v = fl.Parameter(np.linspace(-1, 1, 5)[:, None])

    def forward(self, x):
        p = 1 / (1 + np.exp(-x @ self.v.data))
        self.save(x, p)
        return x * p

    def backward(self, dy):
        x, p = self.saved()
        dp = (dy * x).sum(1, keepdims=True) * p * (1 - p)
        self.v.grad += x.T @ dp
        return dy * p + dp @ self.v.data.T
""",
    "decay": """
    def __init__(self):
        self.a = fl.Parameter(np.array(0.7))

    def forward(self, x):
        s, self.s = 0 * x[:, 0], []
        for t in range(x.shape[1]):
            self.s.append(s)
            s = self.a.data * s + x[:, t]
        return s

    def backward(self, dy):
        dx, g = [], dy
        for s in self.s[::-1]:
            dx.append(g)
            self.a.grad += (g * s).sum()
            g = g * self.a.data
        return np.stack(dx[::-1], 1)
""",
}
MISTAKES = [
    (
        "standardize",
        "d - d.mean(0) - h * (d * h).mean(0)",
        "d - d.sum(0) - h * (d * h).sum(0)",
    ),
    (
        "standardize",
        "d - d.mean(0) - h * (d * h).mean(0)",
        "d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True)",
    ),
    ("smooth", "self.p - self.t", "self.p - np.eye(k)[self.y]"),
    ("softmax", "p * (dy - (dy * p).sum(axis=1, keepdims=True))", "dy * p * (1 - p)"),
    ("softmax", "p * (dy - (dy * p).sum(axis=1, keepdims=True))", "(p - p**2) * dy"),
    ("largest", "[:, :, None] * mask", "[:, :, None] * np.ones_like(self.t)"),
    ("gate", "dy * p + dp", "dy * p * (1 - p) * x + dp"),
    ("gate", " * p * (1 - p)\n", "\n"),
    ("gate", "(dy * x).sum(1, keepdims=True)", "(dy * x)[:, :1]"),
    (
        "decay",
        "            self.s.append(s)\n            s = self.a.data * s + x[:, t]\n",
        "            s = self.a.data * s + x[:, t]\n            self.s.append(s)\n",
    ),
    (
        "decay",
        "            dx.append(g)\n            self.a.grad += (g * s).sum()\n"
        "            g = g * self.a.data\n",
        "            g = g * self.a.data\n            dx.append(g)\n"
        "            self.a.grad += (g * s).sum()\n",
    ),
]


@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES)
def test_the_wrong_line_is_found(name, right, wrong, tmp_path):
    source = HEAD + MODULES[name].lstrip("\n")
    assert source.count(right) == 1
    file = tmp_path / "layers.py"
    file.write_text(source.replace(right, wrong))
    spec = importlib.util.spec_from_file_location("layers", file)
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    verdict = Verdict(layers.M(), [np.random.default_rng(0).standard_normal((6, 5))])
    (repair,) = verdict.repairs
    assert repair.whole
    first = source[: source.index(right)].count("\n") + 1
    assert first <= repair.edit.line <= first + right.count("\n")
