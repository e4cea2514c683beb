"""Nothing is found in healthy networks, fresh or half trained."""

import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import models, nn, optim
from firstlight.tools.diagnose import check


class ReadmeNet(fl.Module):
    def __init__(self, hidden=128):
        self.body = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x.reshape(-1, 64))

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


class ByHand(fl.Module):
    """No layer of ours: products, a cache in attributes, a loss of its own."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.w1 = fl.Parameter((rng.standard_normal((64, 40)) / 8).astype("float32"))
        self.b1 = fl.Parameter(np.zeros(40, "float32"))
        self.w2 = fl.Parameter((rng.standard_normal((40, 10)) / 6).astype("float32"))

    def forward(self, x):
        self.x = x.reshape(len(x), -1)
        self.h = np.tanh(self.x @ self.w1.data + self.b1.data)
        return self.h @ self.w2.data

    def backward(self, dy):
        self.w2.grad += self.h.T @ dy
        da = dy @ self.w2.data.T * (1 - self.h**2)
        self.w1.grad += self.x.T @ da
        self.b1.grad += da.sum(axis=0)

    def training_step(self, batch):
        x, y = batch
        logits = self(x)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        return fl.StepOutput(loss, p / len(y), prediction=logits)

    validation_step = training_step

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Ridge(fl.Module):
    """A regression with NumPy alone."""

    def __init__(self):
        self.w = fl.Parameter(np.zeros((3, 1), "float32"))
        self.loss = nn.MSELoss()

    def forward(self, x):
        self.save(x)
        return x @ self.w.data

    def backward(self, dy):
        (x,) = self.saved()
        self.w.grad += x.T @ dy
        return dy @ self.w.data.T

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)


def line():
    x = np.random.default_rng(0).standard_normal((60, 3)).astype("float32")
    return x, x @ np.array([[1.0], [-2.0], [0.5]], "float32")


def digits():
    return fl.datasets.load("digits")


NETS = {
    "mlp": (lambda: models.MLP(64, 10), digits),
    "mlp, plain": (lambda: models.MLP(64, 10, norm=None, dropout=0.0, activation="tanh"), digits),
    "mlp, layer norm": (lambda: models.MLP(64, 10, norm="layer", activation="gelu"), digits),
    "linear": (lambda: models.MLP(64, 10, hidden=()), digits),
    "cnn": (lambda: models.CNN((8, 8, 1), 10), digits),
    "cnn without norm": (lambda: models.CNN((8, 8, 1), 10, norm=None), digits),
    "resnet": (lambda: models.ResNet((8, 8, 1), 10, depth=8), digits),
    "vit": (lambda: models.ViT((8, 8, 1), 10, depth=2), digits),
    "lstm": (lambda: models.RNN((8, 8, 1), 10), digits),
    "gru": (lambda: models.RNN((8, 8, 1), 10, kind="gru", num_layers=2), digits),
    "rnn": (lambda: models.RNN((8, 8, 1), 10, kind="rnn"), digits),
    "polynomial": (lambda: models.Polynomial(3), lambda: fl.datasets.load("polynomial")),
    "gpt": (
        lambda: models.GPT(12, 8, n_layer=2, n_embd=32, n_head=2, dropout=0.1),
        lambda: fl.datasets.load("arithmetic"),
    ),
    "README": (ReadmeNet, digits),
    "by hand": (ByHand, digits),
    "ridge": (Ridge, line),
}


SMALL = ["mlp, layer norm", "linear", "cnn", "lstm", "polynomial", "README", "by hand", "ridge"]
CASES = {
    f"{name}, {state}": (*parts, state == "half trained")
    for name, parts in NETS.items()
    for state in ("fresh", "half trained")
}
FAST = ["mlp, half trained", "by hand, half trained", *(f"{name}, fresh" for name in SMALL)]


@pytest.mark.parametrize("name", slow_but(CASES, *FAST))
def test_nothing_is_found(name, quiet):
    make, load, trained = CASES[name]
    net, data = make(), load()
    if trained:
        fl.Trainer(max_steps=60, **quiet).fit(net, data)
    report = check(net, data)
    assert report.ok, str(report)


def test_lenet5_on_images_of_28_pixels():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 60)
    report = check(models.LeNet5((28, 28, 1), 10), (x, y))
    assert report.ok, str(report)


def test_a_cache_in_attributes_is_worth_a_note_only():
    report = check(ByHand(), digits())
    assert report.ok
    (note,) = report.notes
    assert (note.kind, note.where) == ("overwritten-cache", "")


def test_checking_changes_nothing():
    net = models.MLP(64, 10)
    net.body[0].weight.grad[...] = 3
    before, streams = net.state_dict(), fl.rng.state_dict()
    check(net, digits())
    assert fl.rng.state_dict() == streams
    assert all(np.array_equal(array, net.state_dict()[name]) for name, array in before.items())
    assert (net.body[0].weight.grad == 3).all()
    assert net.training
    assert all(part._stack == [] for part in net.modules())


def test_a_layer_alone_is_checked_on_an_array():
    x = np.random.default_rng(0).standard_normal((4, 5, 8)).astype("float32")
    report = check(nn.MultiHeadAttention(8, 2), x)
    assert report.ok, str(report)
    assert [line.group for line in report.checks] == ["backward"] * 2
