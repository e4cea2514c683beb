"""Exercise: a training loop, and the accuracy of a network."""

import numpy as np

from firstlight import nn
from firstlight.module import Module
from firstlight.optim import SGD
from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import number


class Reversed(Module):
    """A layer that reverses the classes in evaluation mode, so that the mode shows."""

    def forward(self, x):
        return x if self.training else x[:, ::-1]

    def backward(self, dy):
        return dy if self.training else dy[:, ::-1]


def network(draw):
    """Return a network whose parameters are drawn."""
    f, c = draw.size("F"), draw.size("C", 3, 5)
    net = nn.Sequential(nn.Linear(f, 4), nn.Tanh(), nn.Linear(4, c), Reversed())
    return draw.fill(net)


def values(net):
    """Return all parameters as one array."""
    return np.concatenate([parameter.data.ravel() for parameter in net.parameters()])


def batches(x, t):
    """Return the batches of a loader; the last one is smaller."""
    return [(x[start : start + 4], t[start : start + 4]) for start in range(0, len(x), 4)]


def trial_fit(code, draw):
    """Train a network that is in evaluation mode; the last batch is smaller."""
    net = network(draw).eval()
    x, t = draw.array(10, draw.sizes["F"]), draw.integers(draw.sizes["C"], 10)
    for parameter in net.parameters():
        parameter.grad[...] = 1  # of an earlier use
    before = values(net)
    optimizer = SGD(net.parameters(), lr=0.2, momentum=0.5)
    losses = code.fit(net, nn.CrossEntropyLoss(), optimizer, batches(x, t), 3)
    changed = values(net) - before
    yield Output("fit", "optimizer.steps", optimizer.steps)
    yield Output("fit", "Δw", changed)
    told = losses if losses is None else np.array([number(loss, draw.dtype) for loss in losses])
    yield Output("fit", "losses", told)


def trial_accuracy(code, draw):
    """Run accuracy in both modes; the last batch is smaller and has other results."""
    net = network(draw)
    x, t = draw.array(11, draw.sizes["F"]), draw.integers(draw.sizes["C"], 11)
    net.eval()
    t[:2], t[2:8] = _class(net, x[:2]), (_class(net, x[2:8]) + 1) % draw.sizes["C"]
    t[8:] = _class(net, x[8:])
    loader = batches(x, t)
    for mode in (False, True):
        net.train(mode)
        yield Output(
            "accuracy",
            f"accuracy (net.training={mode})",
            number(code.accuracy(net, loader), draw.dtype),
        )
        yield Output("accuracy", f"net.training == {mode}", net.training == mode)


def _class(net, x):
    return net(x).argmax(axis=1)


EXERCISE = Exercise(
    name="training_loop",
    chapter=3,
    lessons={"firstlight.tools.course.lessons.training_loop": ("fit", "accuracy")},
    blanks=("fit", "accuracy"),
    trials=(trial_fit, trial_accuracy),
)
