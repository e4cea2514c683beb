"""Layers, losses and networks by hand: the right module and kind, and nothing where all is well."""

import numpy as np
import pytest
from campaigns import slow_but
from handwritten_layers import (
    BatchNorm,
    Cell,
    CrossEntropy,
    Dense,
    Dropout,
    Embedding,
    Hinge,
    Last,
    MeanSquare,
    NegativeLogLikelihood,
    Recurrent,
    Unrolled,
    WithState,
    between,
    normal,
)
from nets import Net

import firstlight as fl
from firstlight import nn, optim
from firstlight.tools.diagnose import check


def digits():
    return fl.datasets.load("digits")


def numbers(targets):
    """A regression of five features."""
    x = normal(0, 300, 5)
    return x, targets(x).astype("float32")


def changed(cls, **methods):
    """A subclass with other methods."""
    return type(f"Wrong{cls.__name__}", (cls,), methods)


def classifier(*layers, loss=None):
    return Net(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), *layers, loss=loss)


def regressor(*layers, loss=None, **options):
    layers = nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1), *layers
    return Net(*layers, loss=loss or nn.MSELoss(), **options)


def sequence(layer, *shape):
    return Net(nn.Reshape(*shape), layer, Last(), nn.Linear(16, 10))


class Tokens(Net):
    def __init__(self, embedding):
        super().__init__(nn.GELU(), nn.Linear(16, 12))
        self.embedding = embedding

    def forward(self, x):
        return self.body(self.embedding(x))

    def backward(self, dy):
        return self.embedding.backward(self.body.backward(dy))


def tokens():
    rng = np.random.default_rng(6)
    return rng.integers(0, 12, (200, 8)), rng.integers(0, 12, (200, 8))


class StateNet(fl.Module):
    """Takes y of ``(y, state)``."""

    def __init__(self, layer):
        self.layer, self.last, self.head = layer, Last(), nn.Linear(12, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        y, _ = self.layer(x.reshape(-1, 8, 8))
        return self.head(self.last(y))

    def backward(self, dy):
        return self.layer.backward(self.last.backward(self.head.backward(dy)))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


def overwriting(self, dy):
    (indices,) = self.saved()
    self.table.grad[indices] += dy


def learning_inside(self, dy):
    dx = Dense.backward(self, dy)
    self.W.data -= 0.01 * self.W.grad
    return dx


def carried(self, x):
    first = getattr(self, "h", np.zeros((1, 16), x.dtype))
    states = [np.broadcast_to(first.mean(axis=0), (len(x), 16)).astype(x.dtype)]
    for t in range(x.shape[1]):
        states.append(np.tanh(x[:, t] @ self.A.data + states[-1] @ self.B.data))
    self.save(x, states)
    self.h = states[-1]
    return np.stack(states[1:], axis=1)


def constant(net, value):
    for parameter in net.parameters():
        parameter.data[...] = value
    return net


def twins():
    """Hidden units that are one and the same, in weights (inputs, outputs)."""
    net = Net(nn.Flatten(), Dense(64, 16), nn.Tanh(), Dense(16, 10))
    net.body[1].W.data[...] = net.body[1].W.data[:, :1]
    net.body[3].W.data[...] = net.body[3].W.data[:1]
    return net


class Sine(fl.Module):
    def forward(self, x):
        self.save(x)
        return np.sin(3 * x) / 3

    def backward(self, dy):
        (x,) = self.saved()
        return dy * np.cos(3 * x)


SIGMOID = {
    "act": lambda self, a: 1 / (1 + np.exp(-a)),
    "slope": lambda self, h: h * (1 - h),
}
MISTAKES = {  # network, data, where, kind
    "softmax before an own cross-entropy": (
        lambda: classifier(nn.Softmax(), loss=CrossEntropy()), digits, "", "softmax"),
    "sigmoid before an own cross-entropy": (
        lambda: classifier(nn.Sigmoid(), loss=CrossEntropy()), digits, "", "softmax"),
    "relu before an own cross-entropy": (
        lambda: classifier(nn.ReLU(), loss=CrossEntropy()), digits, "", "softmax"),
    "logits into a loss of log-probabilities": (
        lambda: classifier(loss=NegativeLogLikelihood()), digits, "", "softmax"),
    "relu last, targets of both signs": (
        lambda: regressor(nn.ReLU()), lambda: numbers(lambda x: x[:, :1]), "body.3", "softmax"),
    "tanh last, targets up to 15": (
        lambda: regressor(nn.Tanh()), lambda: numbers(lambda x: 5 * x[:, :1]), "body.3", "softmax"),
    "large targets": (
        lambda: regressor(loss=MeanSquare()),
        lambda: numbers(lambda x: 2e5 + 1e5 * x[:, :1]), "data", "target-scale"),
    "(N, 1) minus (N,)": (
        lambda: regressor(loss=MeanSquare()), lambda: numbers(lambda x: x[:, 0]),
        "data", "labels"),
    "dropout without 1/(1-p)": (
        lambda: between(changed(Dropout, scale=lambda self: 1.0)()), digits, "body.2", "eval"),
    "running statistics change in evaluation": (
        lambda: between(changed(BatchNorm, keeps=lambda self: True)()), digits, "body.2", "eval"),
    "a state kept from batch to batch": (
        lambda: sequence(changed(Recurrent, forward=carried)(8, 16), 8, 8),
        digits, "body.1", "eval"),
    "weights updated in backward": (
        lambda: between(changed(Dense, backward=learning_inside)(32, 32)),
        digits, "body.2", "in-place"),
    "an index that occurs twice": (
        lambda: Tokens(changed(Embedding, backward=overwriting)()),
        tokens, "embedding", "not-accumulated"),
    "weights of zero": (lambda: constant(classifier(), 0.0), digits, "body.1.weight", "symmetry"),
    "weights all alike": (
        lambda: constant(classifier(), 0.05), digits, "body.1.weight", "symmetry"),
    "columns all alike": (lambda: twins(), digits, "body.1.W", "symmetry"),
    "sigmoid along 32 steps": (
        lambda: sequence(changed(Recurrent, **SIGMOID)(2, 16), 32, 2),
        digits, "body.1", "vanishing"),
    "weights of 2 along 32 steps": (
        lambda: sequence(
            changed(Recurrent, act=lambda self, a: 0.1 * a, slope=lambda self, h: 0.1)(2, 16, 20.0),
            32, 2),
        digits, "body.1", "exploding"),
    "slope of another place": (
        lambda: between(changed(Sine, backward=lambda self, dy: dy * np.cos(self.saved()[0]))()),
        digits, "body.2", "term"),
    "a pair of states: one with a factor": (
        lambda: Unrolled(changed(Cell, keep=lambda self: -0.5)(8, 12)), digits, "cell", "sign"),
    "y of (y, state): slope": (
        lambda: StateNet(changed(WithState, slope=lambda self, h: 1 - h)(8, 12)),
        digits, "layer", "derivative"),
    "batches of one for BatchNorm": (
        lambda: between(nn.BatchNorm1d(32)),
        lambda: fl.datasets.load("digits", batch_size=1), "body.2", "small-batch"),
}  # fmt: skip


FAST = [
    "logits into a loss of log-probabilities",
    "(N, 1) minus (N,)",
    "dropout without 1/(1-p)",
    "an index that occurs twice",
    "slope of another place",
    "a pair of states: one with a factor",
    "batches of one for BatchNorm",
]


@pytest.mark.parametrize("name", slow_but(MISTAKES, *FAST))
def test_a_mistake_is_named(name):
    make, data, where, kind = MISTAKES[name]
    report = check(make(), data())
    assert report.findings, str(report)
    assert (report.findings[0].where, report.findings[0].kind) == (where, kind), str(report)


HEALTHY = {
    "dense": (lambda: between(Dense(32, 32)), digits),
    "dropout of its own": (lambda: between(Dropout()), digits),
    "batch norm": (lambda: between(BatchNorm()), digits),
    "embedding": (lambda: Tokens(Embedding()), tokens),
    "recurrent": (lambda: sequence(Recurrent(8, 16), 8, 8), digits),
    "(y, state)": (lambda: StateNet(WithState(8, 12)), digits),
    "a pair of states": (lambda: Unrolled(Cell(8, 12)), digits),
    "own cross-entropy": (lambda: classifier(loss=CrossEntropy()), digits),
    "hinge": (lambda: classifier(loss=Hinge()), digits),
    "softplus, positive targets": (
        lambda: regressor(nn.Softplus()), lambda: numbers(lambda x: np.abs(x[:, :1]))),
    "prices in thousands": (
        lambda: regressor(optimizer=lambda p: optim.Adam(p, lr=1e-2)),
        lambda: numbers(lambda x: 22 + 9 * x[:, :1])),
    "zeros before a softmax": (
        lambda: constant(Net(nn.Flatten(), nn.Linear(64, 10)), 0.0), digits),
    "sine": (lambda: between(Sine()), digits),
}  # fmt: skip


SLOW = {"recurrent", "embedding", "(y, state)", "sine"}


@pytest.mark.parametrize("name", slow_but(HEALTHY, *HEALTHY.keys() - SLOW))
def test_nothing_is_found_where_all_is_well(name):
    make, data = HEALTHY[name]
    report = check(make(), data())
    assert report.ok, str(report)
    assert not [line for line in report.checks if "not judged" in line.detail], str(report)


def test_a_layer_that_makes_float64_is_named_beside_what_else_is_wrong():
    class Scaled(fl.Module):
        def forward(self, x):
            return x / np.sqrt(4)  # an np.float64

        def backward(self, dy):
            return dy

    report = check(between(Scaled()), digits())
    assert [(one.where, one.kind) for one in report.findings] == [
        ("body.2", "factor"),
        ("body.2", "dtype"),
    ], str(report)


def test_statistics_that_change_in_evaluation_are_not_called_random():
    report = check(between(changed(BatchNorm, keeps=lambda self: True)()), digits(), train=False)
    (found,) = report.findings
    assert "each evaluation changes mean, var; running statistics" in found.message


def test_fading_at_the_pace_of_fresh_gates_is_a_note_only():
    report = check(sequence(nn.LSTM(1, 16), 64, 1), digits(), train=False)
    assert report.ok, str(report)
    assert [(note.kind, note.where) for note in report.notes] == [("vanishing", "body.1")]


def test_the_whole_is_not_called_ok_where_a_part_is_wrong():
    wrong = changed(Dense, backward=lambda self, dy: -Dense.backward(self, dy))
    report = check(between(wrong(32, 32)), digits(), train=False)
    verdicts = {line.subject: (line.verdict, line.detail) for line in report.checks}
    assert verdicts["Net, the whole"] == ("wrong", "wrong because of its parts")


def test_what_cannot_be_judged_is_said():
    class Unseeded(Dropout):
        def forward(self, x):
            self.rng = np.random.default_rng()
            return super().forward(x)

    report = check(between(Unseeded()), digits(), train=False)
    (line,) = [line for line in report.checks if line.subject == "body.2 (Unseeded)"]
    assert line.verdict == "note"
    assert "not judged: forward gives another result for the same input" in line.detail


def test_a_composite_may_go_through_its_own_parameters():
    class Block(fl.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 64)

        def forward(self, x):
            return x + self.b(self.a(x))

        def backward(self, dy):
            dx = dy + self.a.backward(self.b.backward(dy))
            for parameter, size in zip(self.parameters(), (4096, 64, 4096, 64), strict=True):
                assert parameter.size == size
            return dx

    net = Net(nn.Flatten(), Block(), nn.Linear(64, 10))
    net.body[1].a = changed(nn.Linear, backward=lambda self, dy: -nn.Linear.backward(self, dy))(
        64, 64
    )
    report = check(net, digits(), train=False)
    assert [(one.where, one.kind) for one in report.findings] == [("body.1.a", "sign")], str(report)
