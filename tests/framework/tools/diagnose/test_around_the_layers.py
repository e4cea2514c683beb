"""Mistakes around the layers, such as of batches, schedules and optimizers; healthy scripts too."""

import json

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.diagnose.examples import LOOP

pytestmark = pytest.mark.slow

BY_HAND = """
import numpy as np

rng = np.random.default_rng(3)
x = rng.uniform(-2, 2, (400, 2))
y = np.sin(2 * x[:, :1]) * x[:, 1:]
size, total = 20, 600
U, a = rng.normal(0, 1, (2, 30)), np.zeros(30)
V, c = rng.normal(0, 0.2, (30, 1)), np.zeros(1)
m, s, t = dict.fromkeys("UaVc", 0), dict.fromkeys("UaVc", 0), 0


def rate_at(step, warm=100):
    if step < warm:
        return 0.01 * (step + 1) / warm
    return 0.01 * (total - step) / (total - warm)


for epoch in range(30):
    loss = 0
    for i in range(400 // size):
        part, wanted = x[i * size : (i + 1) * size], y[i * size : (i + 1) * size]
        h = np.tanh(part @ U + a)
        d = h @ V + c - wanted
        loss += (d**2).mean()
        d = 2 * d / size
        k = d @ V.T * (1 - h**2)
        grads = {"V": h.T @ d, "c": d.sum(0), "U": part.T @ k, "a": k.sum(0)}
        rate = rate_at(t)
        t += 1
        for name, w in zip("UaVc", (U, a, V, c)):
            m[name] = 0.9 * m[name] + 0.1 * grads[name]
            s[name] = 0.99 * s[name] + 0.01 * grads[name] ** 2
            w -= rate * (m[name] / (1 - 0.9**t)) / (np.sqrt(s[name] / (1 - 0.99**t)) + 1e-8)
    print(loss)
"""
NO_LOSS = BY_HAND.replace("        loss += (d**2).mean()\n", "").replace("    print(loss)\n", "")
DIGITS = """
import numpy as np
import firstlight as fl
from firstlight import nn

rng = np.random.default_rng(5)
x, y = fl.datasets.load("digits").train[:]
x = x.reshape(len(x), -1)
W, b = rng.normal(0, 0.05, (64, 10)), np.zeros(10)
for epoch in range(4):
    order, loss = rng.permutation(len(x)), 0.0
    for start in range(0, len(x), 50):
        chosen = order[start : start + 50]
        labels = y[chosen]
        z = x[chosen] @ W + b
        z = z - z.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        loss += -logp[rows, labels].mean()
        g = np.exp(logp)
        g[rows, labels] -= 1
        W -= 0.3 * x[chosen].T @ g / len(g)
        b -= 0.3 * g.mean(axis=0)
    print(loss)
"""
STEPS = (
    LOOP
    + """\
for epoch in range(40):
    loss = mse(net(x), y)
    net.zero_grad()
    net.backward(mse.backward())
    optimizer.step()
    # after a step
"""
)
AVERAGE = STEPS.replace("for epoch", "mean = [p.data.copy() for p in net.parameters()]\nfor epoch")
AVERAGE = AVERAGE.replace(
    "    # after a step",
    "    keep = min(0.99, (epoch + 1) / (epoch + 10))\n"
    "    for one, p in zip(mean, net.parameters()):\n"
    "        one *= keep\n        one += (1 - keep) * p.data",
)
PARTS = (
    LOOP.replace("(64, 3)", "(160, 3)")
    + """

def fit(x, y):
    for epoch in range(4):
        for i in range(0, len(x), 16):
            loss = mse(net(x[i : i + 16]), y[i : i + 16])
            net.zero_grad()
            net.backward(mse.backward())
            optimizer.step()


fit(x[x[:, 0] > 0], y[x[:, 0] > 0])
"""
)
ENCODED = STEPS.replace("Adam(net", "Adam(head").replace("3, 8)", "3, 8)", 1)
ENCODED = (
    ENCODED.replace("optimizer =", "head = nn.Linear(1, 1)\noptimizer =")
    .replace("mse(net(x), y)", "mse(head(net(x)), y)")
    .replace("net.backward(mse.backward())", "net.backward(head.backward(mse.backward()))")
    .replace("    net.zero_grad()\n", "    net.zero_grad(), head.zero_grad()\n")
)
OWN = STEPS.replace(
    "net =",
    """
class RMSprop(fl.optim.Optimizer):
    state_names = ("v", "buffer")

    def __init__(self, params, lr=0.01, alpha=0.9, eps=1e-8, momentum=0.0):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum})

    def update(self, group, t, w, g, v, buffer):
        v[...] = group["alpha"] * v + (1 - group["alpha"]) * g**2
        buffer[...] = group["momentum"] * buffer + g / (np.sqrt(v) + group["eps"])
        w -= group["lr"] * buffer


net =""",
).replace("fl.optim.Adam(net.parameters(), lr=0.02)", "RMSprop(net.parameters(), momentum=0.5)")
MIXED = """
import numpy as np
import firstlight as fl
from firstlight import nn

rng = np.random.default_rng(2)


class Mixed(fl.Module):
    def __init__(self):
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.net(x)

    def backward(self, dy):
        return self.net.backward(dy)

    def training_step(self, batch):
        x, y = batch
        share, other = np.float32(rng.beta(1, 1)), rng.permutation(len(x))
        y = np.eye(10, dtype="float32")[y]
        y = share * y + (1 - share) * y[other]
        loss = self.loss(self(share * x + (1 - share) * x[other]), y)
        return fl.StepOutput(loss, self.loss.backward())

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=2e-3)


fl.Trainer(max_epochs=2).fit(Mixed(), fl.datasets.load("digits"))
"""
PLACES = """
import numpy as np
import firstlight as fl
from firstlight import nn

rng = np.random.default_rng(0)


class Sequences(fl.Module):
    def __init__(self):
        self.tokens, self.places = nn.Embedding(6, 16), nn.Embedding(64, 16)
        self.body = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Flatten(), nn.Linear(128, 2))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        places = np.broadcast_to(np.arange(x.shape[1]), x.shape)
        return self.body(self.tokens(x) + self.places(places))

    def backward(self, dy):
        dx = self.body.backward(dy)
        self.tokens.backward(dx)
        self.places.backward(dx)

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=3e-3)


x = rng.integers(0, 6, (200, 8))
fl.Trainer(max_epochs=2).fit(Sequences(), (x, (x[:, 0] > x[:, 1]).astype("int64")))
"""
SCALED = """
import numpy as np


class Scaler:
    def fit(self, x):
        self.mean, self.spread = x.mean(axis=0), x.std(axis=0)
        return self.apply(x)

    def apply(self, x):
        return (x - self.mean) / self.spread


class Regression:
    def __init__(self):
        self.w, self.b = np.zeros(3), 0.0

    def score(self, x):
        return x @ self.w + self.b

    def fit(self, x, y):
        for _ in range(500):
            g = (1 / (1 + np.exp(-self.score(x))) - y) / len(y)
            self.w -= 0.3 * x.T @ g
            self.b -= 0.3 * g.sum()


rng = np.random.default_rng(0)
x = rng.normal(5, 3, (400, 3))
y = (x[:, 0] > x[:, 1]).astype(float)
scaler, model = Scaler(), Regression()
model.fit(scaler.fit(x[:300]), y[:300])
for part in (slice(0, 300), slice(300, 400)):
    print(((model.score(scaler.apply(x[part])) > 0) == y[part]).mean())
"""
AGAIN = BY_HAND.replace("    loss = 0\n", "    loss, place = 0, 0\n").replace(
    "rate_at(t)\n", "0.01 * (1 - place / 20)\n        place += 1\n"
)
HEALTHY = {
    "a counter that begins again": AGAIN,
    "positions": PLACES,
    "a scaler": SCALED,
    "moments that begin as numbers": BY_HAND,
    "no loss": NO_LOSS,
    "row numbers": DIGITS,
    "an average with a warm-up": AVERAGE,
    "a part of the samples": PARTS,
    "a head and its encoder": ENCODED.replace(
        "head.parameters()", "[*net.parameters(), *head.parameters()]"
    ),
    "an optimizer with options": OWN,
    "a training step that draws": MIXED,
}
MISTAKES = {  # script, right, wrong, kind, part of the line
    "overlapping batches": (
        BY_HAND.replace("400", "1200").replace("range(30)", "range(3)"),
        "x[i * size : (i + 1) * size], y[i * size : (i + 1) * size]",
        "x[i : i + size], y[i : i + size]",
        "unseen-samples",
        "part, wanted =",
    ),
    "equal units": (
        BY_HAND,
        "rng.normal(0, 1, (2, 30)), np.zeros(30)\nV, c = rng.normal(0, 0.2, (30, 1))",
        "np.repeat(rng.normal(0, 1, (2, 1)), 30, 1), np.zeros(30)\nV, c = np.full((30, 1), 0.2)",
        "symmetry",
        "U, a, V, c",
    ),
    "a warm-up of zeros": (
        BY_HAND,
        "(step + 1) / warm",
        "(step // warm)",
        "schedule-rates",
        "// warm",
    ),
    "a warm-up that ends too high": (
        *(BY_HAND, "return 0.01 * (step + 1) / warm", "return (step + 1) / warm"),
        *("schedule-rates", "(step + 1) / warm"),
    ),
    "labels in another order": (
        *(DIGITS, "labels = y[chosen]", "labels = y[start : start + 50]"),
        *("label-order", "labels"),
    ),
    "a decay the wrong way round": (
        *(AVERAGE, "min(0.99, (epoch + 1) / (epoch + 10))", "1 - 0.99", "weight-average", "one +="),
    ),
    "an encoder in no optimizer": (ENCODED, "", "", "not-in-optimizer", "optimizer ="),
    "a wrong sign": (OWN, "(1 - group", "(1 + group", "update-rule", "v[...] ="),
    "a gradient left out": (
        *(OWN, "+ g / (np.sqrt(v)", "+ 1 / (np.sqrt(v)", "update-rule", "1 / (np.sqrt(v)"),
    ),
    "a batch without samples": (
        BY_HAND,
        "x[i * size : (i + 1) * size], y[i * size : (i + 1) * size]",
        "x[i * size : size], y[i * size : size]",
        *("first-nan", "part,"),
    ),
    "positions along the batch": (
        *(PLACES, "np.arange(x.shape[1])", "np.arange(len(x))[:, None] % 64", "eval", ""),
    ),
    "backward after the step": (
        STEPS.replace("    net.backward(mse.backward())\n", ""),
        *(
            "    # after a step",
            "    net.backward(mse.backward())",
            "lost-gradient",
            "net.backward",
        ),
    ),
}


def checked(script, capsys):
    """Return the exit code and the findings of a check."""
    code = main(["check", str(script), "--json"])
    found = json.loads(capsys.readouterr().out)
    return code, [one for report in found.get("reports", [found]) for one in report["findings"]]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_script_is_right(name, tmp_path, capsys, generous_budgets):
    script = tmp_path / "train.py"
    script.write_text(HEALTHY[name])
    assert checked(script, capsys) == (0, [])


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name, tmp_path, capsys, generous_budgets):
    source, right, wrong, kind, line = MISTAKES[name]
    assert right in source
    script = tmp_path / "train.py"
    script.write_text(source.replace(right, wrong))
    code, (found, *more) = checked(script, capsys)
    assert (code, found["kind"], more) == (1, kind, [])
    assert found["at"] is None or line in found["at"]["code"]
