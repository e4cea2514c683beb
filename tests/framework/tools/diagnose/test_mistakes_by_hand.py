"""Mistakes in modules written out by hand, as students make them: the right kind and place."""

import nets
import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import Parameter, nn
from firstlight.tools.diagnose import check


class Net(nets.Net):
    def __init__(self, *layers, loss=None):
        super().__init__(nn.Flatten(), *layers, loss=loss)


class ForgottenSlope(fl.Module):
    """Its backward knows nothing of tanh."""

    def forward(self, x):
        y = np.tanh(x)
        self.save(y)
        return y

    def backward(self, dy):
        self.saved()
        return dy


class ForgottenCosine(fl.Module):
    """Its backward has one of two terms."""

    def forward(self, x):
        self.save(x)
        return x**3 + np.sin(3 * x)

    def backward(self, dy):
        (x,) = self.saved()
        return dy * (3 * x * x)


class Loss(fl.Module):
    """A cross-entropy that does not look at dloss; ``change`` makes its dx wrong."""

    def __init__(self, change):
        self.change = change

    def forward(self, z, y):
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        self.save(p, y)
        return -np.log(p[np.arange(len(y)), y]).mean()

    def backward(self):
        p, y = self.saved()
        p = p.copy()
        p[np.arange(len(y)), y] -= 1
        return self.change(p, len(y))


class Gated(fl.Module):
    """A shortcut with a number before the branch."""

    def __init__(self):
        self.branch = nn.Linear(32, 32)
        self.gate = Parameter(np.full((1,), 0.3, "float32"))

    def forward(self, x):
        y = self.branch(x)
        self.save(x, y)
        return x + self.gate.data * y


class WrongGate(Gated):
    def backward(self, dy):
        x, _ = self.saved()
        self.gate.grad += (dy * x).sum()  # x instead of y
        return dy + self.branch.backward(dy * self.gate.data)


class ForgottenGate(Gated):
    def backward(self, dy):
        _, y = self.saved()
        self.gate.grad += (dy * y).sum()
        return dy + self.branch.backward(dy)


class Positions(Net):
    """Numbers added to every sample; their gradient is that of the first one alone."""

    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
        self.table = Parameter(np.random.default_rng(0).normal(size=64).astype("float32"))

    def forward(self, x):
        return self.body(x.reshape(-1, 64) + self.table.data)

    def backward(self, dy):
        dx = self.body.backward(dy)
        self.table.grad += dx[0]
        return dx


class BatchSoftmax(Net):
    """Features weighed by a softmax over the batch instead of over the features."""

    def __init__(self):
        super().__init__(nn.Linear(64, 10))

    def forward(self, x):
        x = x.reshape(-1, 64)
        p = np.exp(x - x.max(axis=0))
        p /= p.sum(axis=0)
        return self.body(len(x) * p * x)

    def backward(self, dy):
        self.body.backward(dy)  # nobody needs the pixels' gradient


def network(layer):
    return Net(nn.Linear(64, 32), layer, nn.Linear(32, 10))


def same_weights():
    net = Net(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    for parameter in net.parameters():
        parameter.data[...] = 0.01
    return net


MISTAKES = {
    "slope": (lambda: network(ForgottenSlope()), "derivative", "body.2"),
    "a term": (lambda: network(ForgottenCosine()), "missing-path", "body.2"),
    "loss: 1/N": (
        lambda: Net(nn.Linear(64, 10), loss=Loss(lambda p, n: p)),
        "batch-factor",
        "loss",
    ),
    "loss: sign": (lambda: Net(nn.Linear(64, 10), loss=Loss(lambda p, n: -p / n)), "sign", "loss"),
    "gate's gradient": (lambda: network(WrongGate()), "operand", "body.2"),
    "gate forgotten": (lambda: network(ForgottenGate()), "factor", "body.2"),
    "sum over the batch": (Positions, "batch-sum", ""),
    "softmax over the batch": (BatchSoftmax, "eval", ""),
    "equal weights": (same_weights, "symmetry", "body.1.weight"),
}


@pytest.mark.parametrize("name", slow_but(MISTAKES, "slope", "loss: 1/N", "equal weights"))
def test_a_mistake_is_named(name):
    make, kind, where = MISTAKES[name]
    report = check(make(), fl.datasets.load("digits"), train=False)
    assert [(one.kind, one.where) for one in report.findings] == [(kind, where)], str(report.all)


def test_a_right_loss_without_dloss_is_no_finding():
    net = Net(nn.Linear(64, 10), loss=Loss(lambda p, n: p / n))
    assert check(net, fl.datasets.load("digits"), train=False).ok


def test_a_missing_term_is_not_said_to_be_constant_along_an_axis_of_one():
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    net = Net(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), ForgottenCosine(), loss=nn.MSELoss())
    (found,) = check(net, (x, x[:, :1] ** 2), train=False).findings
    assert found.kind == "missing-path"
    assert "constant along" not in found.message
