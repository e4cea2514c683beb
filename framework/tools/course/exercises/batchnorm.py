"""Exercise: forward and backward of batch normalisation, and its running statistics."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import layer

TRACK, FORWARD, BACKWARD = "BatchNorm.track", "BatchNorm.forward", "BatchNorm.backward"


def built(code, draw, channels, **options):
    """Return a layer with parameters and running statistics of a draw."""
    module = draw.fill(code.BatchNorm1d(channels, eps=0.1, momentum=0.3, **options))
    if module.running_mean is not None:
        module.running_mean.data[...] = draw.array(channels)
        module.running_var.data[...] = 1 + draw.array(channels) ** 2
    return module


def rows(code, draw):
    """Return a layer and a batch (N, C)."""
    n, c = draw.size("N", 4), draw.size("C")
    return built(code, draw, c), draw.array(n, c)


def sequences(code, draw):
    """Return a layer and a batch (N, L, C)."""
    n, length, c = draw.size("N"), draw.size("L"), draw.size("C")
    return built(code, draw, c), draw.array(n, length, c)


def without_weights(code, draw):
    """Return a layer without w and b, and a batch."""
    n, c = draw.size("N", 4), draw.size("C")
    return built(code, draw, c, affine=False), draw.array(n, c)


def tracked(code, draw):
    """Try one update of the running statistics."""
    c = draw.size("C")
    module = built(code, draw, c)
    module.track(draw.array(c), draw.array(c) ** 2, draw.size("n"))
    yield Output(TRACK, "running_mean", module.running_mean.data)
    yield Output(TRACK, "running_var", module.running_var.data)


def calls_of_track(code, draw):
    """Try what forward passes to track in training."""
    module, x = sequences(code, draw)
    calls = []
    module.track = lambda mean, var, n: calls.append((mean, var, n))
    module(x)
    yield Output(FORWARD, "calls of track", len(calls))
    for mean, var, n in calls:
        yield Output(FORWARD, "mean for track", np.ravel(mean))
        yield Output(FORWARD, "var for track", np.ravel(var))
        yield Output(FORWARD, "n for track", float(n))


def evaluation(code, draw):
    """Try evaluation mode."""
    module, x = sequences(code, draw)
    module.eval(keep_backward=True)
    kept = module.running_mean.data.copy()
    y = module(x)
    yield Output(FORWARD, "y (training=False)", y)
    changed = not np.array_equal(module.running_mean.data, kept)
    yield Output(FORWARD, "running_mean changes in evaluation mode", changed)
    yield Output(BACKWARD, "dx (training=False)", module.backward(draw.array(*y.shape)))
    yield Output(BACKWARD, "dweight (training=False)", module.weight.grad)
    yield Output(BACKWARD, "dbias (training=False)", module.bias.grad)


def untracked(code, draw):
    """Try training and evaluation without running statistics: both use those of the batch."""
    n, c = draw.size("N", 4), draw.size("C")
    module = built(code, draw, c, track_running_stats=False)
    yield Output(FORWARD, "y (running_mean=None)", module(draw.array(n, c)))
    module.eval(keep_backward=True)
    y = module(draw.array(n, c))
    yield Output(FORWARD, "y (running_mean=None, training=False)", y)
    dx = module.backward(draw.array(n, c))
    yield Output(BACKWARD, "dx (running_mean=None, training=False)", dx)


def constant(code, draw):
    """Try a channel that is constant: its variance is 0."""
    module = draw.fill(code.BatchNorm1d(draw.size("C")))
    x = draw.array(draw.size("N"), module.num_features)
    x[:, 0] = 3
    y = module(x)
    yield Output(FORWARD, "y (var=0)", y)
    yield Output(BACKWARD, "dx (var=0)", module.backward(draw.array(*y.shape)))


EXERCISE = Exercise(
    name="batchnorm",
    chapter=6,
    lessons={"firstlight.nn.batchnorm": ("BatchNorm1d",)},
    blanks=(TRACK, FORWARD, BACKWARD),
    trials=(
        tracked,
        layer("BatchNorm", rows),
        layer("BatchNorm", sequences, "(N, L, C)"),
        layer("BatchNorm", without_weights, "(affine=False)"),
        calls_of_track,
        evaluation,
        untracked,
        constant,
    ),
)
