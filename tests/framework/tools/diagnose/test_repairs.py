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
    "bent": """
    def __init__(self):
        self.a = 0.3

    def forward(self, x):
        y = np.where(x > 0, x, self.a * (np.exp(x) - 1))
        self.save(x > 0, y)
        return y

    def backward(self, dy):
        on, y = self.saved()
        return dy * np.where(on, 1, y + self.a)
""",
    "windows": """
    def __init__(self):
        self.s, self.k = 2, 3
        self.w = fl.Parameter(np.linspace(0.5, 2, 3))

    def forward(self, x):
        s, k = self.s, self.k
        self.save(x)
        return np.stack([x[:, t * s:t * s + k] @ self.w.data for t in range(2)], axis=1)

    def backward(self, dy):
        s, k = self.s, self.k
        (x,) = self.saved()
        dx = np.zeros_like(x)
        for t in range(dy.shape[1]):
            self.w.grad += dy[:, t] @ x[:, t * s:t * s + k]
            dx[:, t * s:t * s + k] += dy[:, t][:, None] * self.w.data
        return dx
""",
    "pieces": """
    def __init__(self):
        self.w = fl.Parameter(np.linspace(-1, 2, 15).reshape(3, 1, 5))

    def forward(self, x):
        z = x * self.w.data
        chosen = z.argmax(axis=0)
        self.save(x, chosen)
        return z.max(axis=0)

    def backward(self, dy):
        x, chosen = self.saved()
        dz = np.stack([dy] * 3) * (np.arange(3)[:, None, None] == chosen)
        self.w.grad += (dz * x).sum(axis=1, keepdims=True)
        return (dz * self.w.data).sum(axis=0)
""",
    "padded": """
    def __init__(self):
        self.p = 1
        self.g = fl.Parameter(np.linspace(0.5, 2, 4))

    def forward(self, x):
        p = self.p
        xp = np.pad(x, ((0, 0), (p, p)))
        y = xp[:, :-2] + 2 * xp[:, 2:]
        self.save(y)
        return y[:, :, None] * self.g.data

    def backward(self, dy):
        (y,) = self.saved()
        p = self.p
        self.g.grad += (dy * y[:, :, None]).sum(axis=(0, 1))
        d = (dy * self.g.data).sum(axis=2)
        dx = np.zeros((len(d), d.shape[1] + 2 * p))
        dx[:, :-2] += d
        dx[:, 2:] += 2 * d
        return dx[:, p:-p]
""",
    "halves": """
    def forward(self, x):
        a, b = x[:, :2], x[:, 2:]
        self.save(a, b)
        return np.concatenate([np.tanh(a), np.sin(a), b + b**3 / 3], axis=1)

    def backward(self, dy):
        a, b = self.saved()
        da = dy[:, :2] * (1 - np.tanh(a) ** 2) + dy[:, 2:4] * np.cos(a)
        db = dy[:, 4:] * b**2 + dy[:, 4:]
        return np.concatenate([da, db], axis=1)
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
    ("bent", "y + self.a)", "y + 1)"),
    ("windows", "dx[:, t * s:t * s + k] +=", "dx[:, t:t + k] +="),
    (
        "pieces",
        "np.stack([dy] * 3) * (np.arange(3)[:, None, None] == chosen)",
        "np.stack([dy] * 3)",
    ),
    ("padded", ".sum(axis=(0, 1))", ".sum()"),
    ("padded", "dx[:, p:-p]", "dx[:, :-2 * p]"),
    ("halves", "db = dy[:, 4:] * b**2 + dy[:, 4:]", "db = dy[:, 4:] * b**2"),
]
OF_FORWARD = [
    ("standardize", "m = x.mean(0)", "m = x.mean()"),
    ("padded", "y[:, :, None] * self.g.data", "y[:, :, None] + self.g.data"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES + OF_FORWARD)
def test_the_wrong_line_is_found(name, right, wrong, tmp_path):
    source = HEAD + MODULES[name].lstrip("\n")
    assert source.count(right) == 1
    module = made(source.replace(right, wrong), tmp_path)
    (repair,) = Verdict(module, [np.random.default_rng(0).standard_normal((6, 5))]).repairs
    assert repair.whole
    assert repair.of_forward == ((name, right, wrong) in OF_FORWARD)
    first = source[: source.index(right)].count("\n") + 1
    assert first <= repair.edit.line <= first + right.count("\n")


def test_a_forgotten_gradient_is_written(tmp_path):
    forgotten = "self.g.grad += (dy * h).sum(0)"
    source = HEAD + MODULES["standardize"].lstrip("\n").replace(f"        {forgotten}\n", "")
    x = np.random.default_rng(0).standard_normal((6, 5))
    (repair,) = Verdict(made(source, tmp_path), [x]).repairs
    assert repair.cure.startswith(forgotten)


INHERITING = (
    HEAD.replace("fl.Module", "fl.nn.Linear")
    + """    def __init__(self):
        super().__init__(5, 4)
        self.scale = 0.5

    def forward(self, x):
        return super().forward(x) * self.scale
"""
)
BACKWARD = """
    def backward(self, dy):
        return super().backward(dy * self.scale)
"""


def test_an_inherited_backward_is_named_at_the_class(tmp_path):
    x = np.random.default_rng(0).standard_normal((6, 5))
    finding = Verdict(made(INHERITING, tmp_path), [x]).explained()
    assert finding.at.file.endswith("layers.py")
    assert finding.at.code == "def forward(self, x):"
    assert "inherits the backward of Linear" in finding.message
    assert finding.cure.startswith("def backward")
    assert Verdict(made(INHERITING + BACKWARD, tmp_path), [x]).ok


def made(source, folder):
    """Return an object of the class M of a source."""
    file = folder / "layers.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("layers", file)
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    return layers.M()
