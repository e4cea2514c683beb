"""Targets in sight, data of two scales, ties, dead units, and an optimizer that goes uphill."""

import numpy as np
import pytest
from handwritten_layers import Embedding
from nets import Net

import firstlight as fl
from firstlight import nn, optim
from firstlight.tools.diagnose import check


class Language(Net):
    def __init__(self, *layers):
        super().__init__(*layers, nn.Linear(16, 12))
        self.embedding = Embedding()

    def forward(self, x):
        return self.body(self.embedding(x))

    def backward(self, dy):
        return self.embedding.backward(self.body.backward(dy))


def text(ahead=1):
    tokens = np.random.default_rng(0).integers(0, 12, 2000)
    starts = np.random.default_rng(1).integers(0, 1900, 200)
    x, y = (np.stack([tokens[s + k : s + k + 8] for s in starts]) for k in (0, ahead))
    return x, y


def attention(causal):
    return nn.Sequential(nn.LayerNorm(16), nn.MultiHeadAttention(16, 2, is_causal=causal))


def kinds(report):
    return [(one.where, one.kind) for one in report.findings]


def test_attention_that_looks_ahead_is_named():
    assert kinds(check(Language(attention(False)), text(), train=False)) == [("body.0.1", "leak")]
    assert check(Language(attention(True)), text(), train=False).ok


def test_labels_of_each_token_may_be_seen_from_both_sides():
    x, _ = text()
    report = check(Language(attention(False)), (x, (5 * x + 3) % 12), train=False)
    assert report.ok, str(report)


def test_targets_that_are_the_inputs():
    assert kinds(check(Language(nn.GELU()), text(ahead=0), train=False)) == [("data", "leak")]


@pytest.mark.parametrize(("factor", "found"), [(1.0, []), (255.0, [("data", "shift")])])
def test_validation_data_of_another_scale(factor, found):
    x, y = fl.datasets.load("digits").train.arrays
    x = x.reshape(-1, 64).astype("float32") / 16
    data = fl.DataSplits((x[:900], y[:900]), val=(x[900:] * np.float32(factor), y[900:]))
    report = check(Net(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)), data, train=False)
    assert kinds(report) == found, str(report)


class MaxPool(fl.Module):
    """Largest of 2 x 2 pixels; ``shared`` gives each of equal ones the whole dy."""

    def __init__(self, shared):
        self.shared = shared

    def forward(self, x):
        n, h, w, c = x.shape
        t = x.reshape(n, h // 2, 2, w // 2, 2, c)
        y = t.max(axis=(2, 4))
        self.save(t == y[:, :, None, :, None], x.shape)
        return y

    def backward(self, dy):
        largest, shape = self.saved()
        share = 1 if self.shared else largest.sum(axis=(2, 4), keepdims=True).astype(dy.dtype)
        return (largest * dy[:, :, None, :, None] / share).reshape(shape)


@pytest.mark.parametrize(("shared", "found"), [(True, [("body.1", "term")]), (False, [])])
def test_ties_after_a_relu(shared, found):
    net = Net(nn.ReLU(), MaxPool(shared), nn.Flatten(), nn.Linear(16, 10))
    report = check(net, fl.datasets.load("digits"), train=False)
    assert kinds(report) == found, str(report)


def test_an_optimizer_that_goes_uphill():
    class Ascent(optim.SGD):
        def update(self, group, t, w, g, b):
            w += group["lr"] * g

    layers = nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)
    net = Net(*layers, optimizer=lambda p: Ascent(p, lr=0.1))
    report = check(net, fl.datasets.load("digits"))
    assert kinds(report) == [("optimizer", "update-rule")], str(report)


def test_targets_brought_to_scale_in_the_step_are_fine():
    class Prices(Net):
        def training_step(self, batch):
            x, y = batch
            prediction = self(x)
            d = prediction - (y - 250_000) / 90_000
            return fl.StepOutput(np.square(d).mean(), 2 * d / d.size, prediction=prediction)

        validation_step = training_step

    x = np.random.default_rng(0).standard_normal((300, 5)).astype("float32")
    net = Prices(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), loss=nn.MSELoss())
    report = check(net, (x, 250_000 + 90_000 * x[:, :1]))
    assert report.ok, str(report)


@pytest.mark.parametrize(("dead", "found"), [(24, []), (27, [("body.2", "dead-units")])])
def test_units_are_dead_where_more_are_than_chance_leaves(dead, found):
    net = Net(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    net.body[1].bias.data[:] = 30  # alive
    net.body[1].bias.data[:dead] = -100
    report = check(net, fl.datasets.load("digits"), train=False)
    assert [one for one in kinds(report) if one[1] == "dead-units"] == found, str(report)
    (line,) = [line for line in report.checks if line.subject == "dead and saturated units"]
    assert line.detail == f"at most {dead} of 32 dead"
