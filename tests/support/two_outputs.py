"""A network with two inputs and two outputs, as dicts or as tuples, and its loss with weights."""

import numpy as np

import firstlight as fl
from firstlight import nn, optim


class WeightedLoss(fl.Module):
    """The loss of a kind, and of a place with a weight."""

    def __init__(self, weight=0.5):
        self.weight = weight
        self.kind, self.place = nn.CrossEntropyLoss(), nn.MSELoss()

    def forward(self, y, target):
        place = self.weight * self.place(y["place"], target["place"])
        return self.kind(y["kind"], target["kind"]) + place

    def backward(self):
        return {"kind": self.kind.backward(), "place": self.weight * self.place.backward()}

    def metrics(self, y, target):
        return self.kind.metrics(y["kind"], target["kind"])


class TwoOutputs(fl.Module):
    """Dicts of two inputs and two outputs."""

    def __init__(self):
        self.left, self.right, self.bend = nn.Linear(3, 6), nn.Linear(4, 6), nn.Tanh()
        self.kind, self.place = nn.Linear(6, 3), nn.Linear(6, 2)
        self.loss = WeightedLoss()

    def forward(self, x):
        h = self.bend(self.left(x["left"]) + self.right(x["right"]))
        return {"kind": self.kind(h), "place": self.place(h)}

    def backward(self, dy):
        dh = self.kind.backward(dy["kind"]) + self.place.backward(dy["place"])
        dh = self.bend.backward(dh)
        return {"left": self.left.backward(dh), "right": self.right.backward(dh)}

    def configure_optimizer(self):
        heads = [*self.kind.parameters(), *self.place.parameters()]
        body = [*self.left.parameters(), *self.right.parameters()]
        return {"body": optim.SGD(body, lr=0.1), "heads": optim.Adam(heads, lr=0.01)}


class OneOutput(TwoOutputs):
    """A tuple of two inputs, and one output."""

    def __init__(self):
        super().__init__()
        self.loss = nn.CrossEntropyLoss()
        self.place.freeze()

    def forward(self, x):
        return super().forward({"left": x[0], "right": x[1]})["kind"]

    def backward(self, dy):
        dx = super().backward({"kind": dy, "place": np.zeros_like(dy, shape=(len(dy), 2))})
        return dx["left"], dx["right"]


def batches(count=4, size=8, seed=0, *, as_tuples=False):
    """Return batches of inputs and targets, as dicts, or of a tuple of inputs and a target."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype("float32")

    found = []
    for n in [size] * (count - 1) + [size - 3]:
        x = {"left": normal(n, 3), "right": normal(n, 4)}
        y = {"kind": rng.integers(0, 3, n), "place": normal(n, 2)}
        found.append((tuple(x.values()), y["kind"]) if as_tuples else (x, y))
    return found
