"""Exercise: a multi-layer perceptron in plain Python."""

import functools
from contextlib import contextmanager

import numpy as np

from firstlight.tools.course.differences import AFTER_TWO
from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import unchanged


def right_softmax(z):
    """Return what softmax should, whose blank is another one."""
    powers = np.exp(np.asarray(z) - np.max(z))
    return (powers / powers.sum()).tolist()


def right_forward(net, x):
    """Return what PlainMLP.forward should."""
    outputs = [x]
    for rows, bias in zip(net.weights, net.biases, strict=True):
        z = np.asarray(rows) @ outputs[-1] + bias
        outputs.append((z if len(outputs) == len(net.weights) else np.maximum(z, 0)).tolist())
    return outputs


def right_backward(net, outputs, delta, d_weights, d_biases, scale):
    """Do what PlainMLP.backward should."""
    for layer in reversed(range(len(net.weights))):
        below, rows = np.asarray(outputs[layer]), np.asarray(net.weights[layer])
        for o, d in enumerate(delta):  # in place, as a solution's own would: rows may be one list
            d_biases[layer][o] += scale * d
            for i, h in enumerate(below):
                d_weights[layer][o][i] += scale * d * h
        delta = (delta @ rows) * (below > 0)


def right_gradients(net, batch, labels):
    """Return what PlainMLP.gradients should."""
    d_weights, d_biases = zeros(net)
    loss = 0.0
    for x, label in zip(batch, labels, strict=True):
        outputs = right_forward(net, x)
        p = right_softmax(outputs[-1])
        loss -= np.log(p[label]) / len(batch)
        delta = np.asarray(p) - np.eye(len(p))[label]
        right_backward(net, outputs, delta, d_weights, d_biases, 1 / len(batch))
    return float(loss), d_weights, d_biases


def zeros(net):
    """Return gradients of zero."""
    d_weights = [np.zeros_like(rows).tolist() for rows in net.weights]
    return d_weights, [np.zeros_like(bias).tolist() for bias in net.biases]


def network(code, draw, *names):
    """Return a network whose sizes have these names."""
    sizes = [draw.size(name) for name in names]
    net = code.PlainMLP(sizes)
    shapes = list(zip(sizes, sizes[1:], strict=False))
    net.weights = [draw.array(outputs, inputs).tolist() for inputs, outputs in shapes]
    net.biases = [draw.array(outputs).tolist() for _, outputs in shapes]
    return net


@contextmanager
def right_parts(code, net, *names):
    """Replace methods and softmax by right ones, so that each blank is judged alone."""
    parts = {"forward": right_forward, "backward": right_backward, "gradients": right_gradients}
    for name in names:
        setattr(net, name, functools.partial(parts[name], net))
    softmax, code.softmax = code.softmax, right_softmax
    try:
        yield
    finally:
        code.softmax = softmax


def trial_softmax(code, draw):
    """Run softmax on some vectors."""
    c = draw.size("C")
    z = draw.array(c).tolist()
    kept = list(z)
    yield Output("softmax", "p", code.softmax(z))
    yield unchanged("softmax", "z", z, kept)
    large = [1000.0 + value for value in z]
    yield Output("softmax", "p (z + 1000)", code.softmax(large))
    small = [value - 1000.0 for value in z]
    yield Output("softmax", "p (z - 1000)", code.softmax(small))
    far = [1000.0 * value for value in z]
    yield Output("softmax", "p (1000 z)", code.softmax(far))


def trial_forward(code, draw):
    """Run forward on a deep network, and on one without hidden layer."""
    blank, net = "PlainMLP.forward", network(code, draw, "I", "H", "K", "C")
    x = draw.array(draw.sizes["I"]).tolist()
    kept = list(x)
    outputs = net.forward(x)
    yield Output(blank, "len(outputs)", len(outputs))
    for index, values in enumerate(outputs):
        yield Output(blank, f"outputs[{index}]", values)
    yield unchanged(blank, "x", x, kept)
    outputs = network(code, draw, "J", "D").forward(draw.array(draw.sizes["J"]).tolist())
    yield Output(blank, "z (L=1)", outputs[-1])


def trial_backward(code, draw):
    """Run backward on gradients that are not zero."""
    blank, net = "PlainMLP.backward", network(code, draw, "I", "H", "K", "C")
    outputs = right_forward(net, draw.array(draw.sizes["I"]).tolist())
    delta, scale = draw.array(draw.sizes["C"]).tolist(), 0.3
    d_weights, d_biases = zeros(net)
    net.backward(outputs, delta, d_weights, d_biases, scale)
    for layer in reversed(range(3)):
        yield Output(blank, f"d_weights[{layer}]", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]", d_biases[layer])
    net.backward(outputs, delta, d_weights, d_biases, scale)
    for layer in reversed(range(3)):
        yield Output(blank, f"d_weights[{layer}]{AFTER_TWO}", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]{AFTER_TWO}", d_biases[layer])


def batch_for(draw, net):
    """Return samples and labels."""
    n = draw.size("N")
    labels = draw.integers(len(net.biases[-1]), n).tolist()
    return draw.array(n, len(net.weights[0][0])).tolist(), labels


def trial_gradients(code, draw):
    """Run gradients with right parts."""
    blank, net = "PlainMLP.gradients", network(code, draw, "I", "H", "C")
    with right_parts(code, net, "forward", "backward"):
        loss, d_weights, d_biases = net.gradients(*batch_for(draw, net))
    yield Output(blank, "loss", loss)
    for layer in range(2):
        yield Output(blank, f"d_weights[{layer}]", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]", d_biases[layer])


def trial_step(code, draw):
    """Run step with right parts."""
    blank, net = "PlainMLP.step", network(code, draw, "I", "H", "C")
    with right_parts(code, net, "forward", "backward", "gradients"):
        weights = [np.array(rows) for rows in net.weights]
        biases = [np.array(bias) for bias in net.biases]
        loss = net.step(*batch_for(draw, net), 0.1)
    for layer in range(2):
        changed = np.array(net.weights[layer]) - weights[layer]
        yield Output(blank, f"Δweights[{layer}]", changed)
        changed = np.array(net.biases[layer]) - biases[layer]
        yield Output(blank, f"Δbiases[{layer}]", changed)
    yield Output(blank, "loss", loss)


EXERCISE = Exercise(
    name="plain_python",
    chapter=2,
    lessons={"firstlight.models.plain_python": ("PlainMLP", "softmax")},
    blanks=(
        "softmax",
        "PlainMLP.forward",
        "PlainMLP.backward",
        "PlainMLP.gradients",
        "PlainMLP.step",
    ),
    hidden=("_descend",),
    trials=(trial_softmax, trial_forward, trial_backward, trial_gradients, trial_step),
)
