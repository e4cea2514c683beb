"""Mistakes written into copies of a training script: what is replaced by what, and what to find."""

SCRIPT = '''
import numpy as np

import firstlight as fl
from firstlight import nn, optim


class Net(fl.Module):
    """A network written out in full."""

    def __init__(self, inputs=64, hidden=32, classes=10):
        rng = np.random.default_rng(0)
        self.w1 = fl.Parameter(self.initial(rng, hidden, inputs))
        self.b1 = fl.Parameter(np.zeros(hidden, "float32"))
        self.w2 = fl.Parameter(self.initial(rng, classes, hidden))
        self.b2 = fl.Parameter(np.zeros(classes, "float32"))
        self.loss = nn.CrossEntropyLoss()

    def initial(self, rng, rows, columns):
        return (rng.standard_normal((rows, columns)) * columns**-0.5).astype("float32")

    def forward(self, x):
        x = x.reshape(len(x), -1)
        a = x @ self.w1.data.T + self.b1.data
        h = np.maximum(a, 0)
        self.save(x, a, h)
        return h @ self.w2.data.T + self.b2.data

    def backward(self, dy):
        x, a, h = self.saved()
        self.w2.grad += dy.T @ h
        self.b2.grad += dy.sum(axis=0)
        da = (dy @ self.w2.data) * (a > 0)
        self.w1.grad += da.T @ x
        self.b1.grad += da.sum(axis=0)
        return da @ self.w1.data

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


data = fl.datasets.load("digits")
trainer = fl.Trainer(max_epochs=3)
trainer.fit(Net(), data)
'''

BY_HAND = """
    def training_step(self, batch):
        x, y = batch
        logits = self(x)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        dy = p.copy()
        dy[np.arange(len(y)), y] -= 1
        return fl.StepOutput(loss, dy / len(y), prediction=logits)

    def configure_optimizer(self):"""

DATA = 'data = fl.datasets.load("digits")'
ARRAYS = DATA + "\nx, y = data.train.arrays[0].reshape(-1, 64) / 16.0 - 0.5, data.train.arrays[1]\n"
FIT = "trainer.fit(Net(), data)"
OPTIMIZER = "    def configure_optimizer(self):"
DEEP = """
class Deep(Net):
    def __init__(self):
        layers = []
        for _ in range(12):
            layers += [nn.Linear(64, 64), nn.Sigmoid()]
        self.body = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

"""


def layers(text):
    """The script with a network of layers instead."""
    body = DEEP[: DEEP.index("        layers")] + f"        self.body = nn.Sequential({text})\n"
    return [
        (DATA, body + DEEP[DEEP.index("        self.loss") :] + DATA),
        (FIT, "trainer.fit(Deep(), data)"),
    ]


# name: (replacements, where, kind)
SCRIPTS = {
    "sgd: learning rate too high": (
        [("optim.Adam(self.parameters(), lr=1e-3)", "optim.SGD(self.parameters(), lr=100.0)")],
        "optimizer",
        "lr-high",
    ),
    "learning rate too low": ([("lr=1e-3", "lr=1e-7")], "optimizer", "lr-low"),
    "parameters left out": (
        [("self.parameters(), lr", "[self.w2, self.b2], lr")],
        "w1",
        "not-trained",
    ),
    "initial weights of one": ([("* columns**-0.5", "* 3")], "loss", "initial-loss"),
    "softmax before cross-entropy": (
        layers("nn.Flatten(), nn.Linear(64, 10), nn.Softmax()"),
        "",
        "softmax",
    ),
    "relu before cross-entropy": (
        layers("nn.Flatten(), nn.Linear(64, 10), nn.ReLU()"),
        "",
        "softmax",
    ),
    "pixels from 0 to 255": (
        [
            (FIT, ""),
            (DATA, ARRAYS),
            ("trainer = ", "trainer=fl.Trainer(max_epochs=3)\ntrainer.fit(Net(), (x * 255, y))#"),
        ],
        "data",
        "input-scale",
    ),
    "validation is training": (
        [
            (FIT, "trainer.fit(Net(), fl.DataSplits((x, y), val=(x[:200], y[:200])))"),
            (DATA, ARRAYS),
        ],
        "data",
        "overlap",
    ),
    "labels shifted against the inputs": (
        [
            (
                FIT,
                "rng = np.random.default_rng(0)\nhalf = rng.random(len(y)) < 0.25\n"
                "y = np.where(half, rng.permutation(y), y)\ntrainer.fit(Net(), (x, y))",
            ),
            (DATA, ARRAYS),
        ],
        "data",
        "label-noise",
    ),
    "one class in a hundred": (
        [
            (
                FIT,
                "keep = (y != 3) | (np.arange(len(y)) % 20 == 0)\n"
                "trainer.fit(Net(), (x[keep], y[keep]))",
            ),
            (DATA, ARRAYS),
        ],
        "data",
        "imbalance",
    ),
    "too many classes": ([("classes=10", "classes=100")], "data", "labels"),
    "too few classes": ([("classes=10", "classes=9")], "training_step", "labels"),
    "batches of two for BatchNorm": (
        [
            *layers(
                "nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)"
            ),
            ('load("digits")', 'load("digits", batch_size=2)'),
        ],
        "body.2",
        "small-batch",
    ),
    "dead units": (
        [
            ("return h @", "return h @"),
            (
                'self.b1 = fl.Parameter(np.zeros(hidden, "float32"))',
                'self.b1 = fl.Parameter(np.full(hidden, -30, "float32"))',
            ),
        ],
        "",
        "dead-units",
    ),
    "saturated units": (
        layers(
            "nn.Flatten(), nn.Linear(64, 32, init_weight=lambda shape, rng: "
            "20 * nn.init.xavier_normal(shape, rng=rng)), nn.Tanh(), nn.Linear(32, 10)"
        ),
        "body.2",
        "saturated-units",
    ),
    "vanishing gradients": (
        [(DATA, DEEP + DATA), (FIT, "trainer.fit(Deep(), data)")],
        "body.1.weight",
        "vanishing",
    ),
    "dropout stays on": (
        [
            (
                DATA,
                "class Noise(nn.Dropout):\n    def forward(self, x):\n"
                "        m = self.draw(x)\n        self.save(m)\n"
                "        return x * m * self.scale\n\n" + DATA,
            ),
            *layers("nn.Flatten(), nn.Linear(64, 32), Noise(), nn.Linear(32, 10)"),
        ],
        "body.2",
        "eval",
    ),
    "mask ignored": (
        [
            (OPTIMIZER, BY_HAND),
            (DATA, ARRAYS),
            (
                FIT,
                "m = (np.arange(len(y)) % 3 > 0).astype('float32')\ntrainer.fit(Net(), (x, y, m))",
            ),
            ("x, y = batch", "x, y, m = batch"),
        ],
        "loss",
        "mask",
    ),
    "by hand: dy not divided by N": (
        [(OPTIMIZER, BY_HAND), ("dy / len(y)", "dy")],
        "training_step",
        "batch-factor",
    ),
    "by hand: dy with a minus": (
        [(OPTIMIZER, BY_HAND), ("dy / len(y)", "-dy / len(y)")],
        "training_step",
        "sign",
    ),
    "by hand: onehot forgotten": (
        [(OPTIMIZER, BY_HAND), ("dy[np.arange(len(y)), y] -= 1", "pass")],
        "training_step",
        "term",
    ),
    "by hand: a sum": (
        [(OPTIMIZER, BY_HAND), (".mean()", ".sum()"), ("dy / len(y)", "dy")],
        "loss",
        "initial-loss",
    ),
    "written out: mask forgotten": ([(" * (a > 0)", "")], "", "derivative"),
    "written out: sum forgotten": (
        [("self.b1.grad += da.sum(axis=0)", "self.b1.grad += da")],
        "",
        "batch-sum",
    ),
    "written out: not transposed": (
        [("self.w2.grad += dy.T @ h", "self.w2.grad += h.T @ dy")],
        "",
        "transpose",
    ),
    "written out: w2 replaced": (
        [("self.w2.grad += dy.T @ h", "self.w2.grad[...] = dy.T @ h")],
        "",
        "not-accumulated",
    ),
    "written out: h overwritten": (
        [("self.save(x, a, h)", "self.save(x, a, h)\n        h *= 0.5")],
        "",
        "factor",
    ),
}


def planted(name):
    """The script with a mistake."""
    source = SCRIPT
    for old, new in SCRIPTS[name][0]:
        assert old in source, f"{name}: no {old!r}"
        source = source.replace(old, new)
    return source
