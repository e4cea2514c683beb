"""The network of lists and the network of arrays are one."""

import ast
from pathlib import Path

import numpy as np
import pytest

from firstlight import datasets, models, nn, optim
from firstlight.models.plain_python import PlainMLP


def twins(*sizes):
    """Return a `PlainMLP` and a float64 network with its weights."""
    plain, layers = PlainMLP(list(sizes)), []
    for rows, bias in zip(plain.weights, plain.biases, strict=True):
        linear = nn.Linear(len(rows[0]), len(rows)).to(dtype="float64")
        linear.weight.data[...], linear.bias.data[...] = rows, bias
        layers += [linear, nn.ReLU()]
    return plain, nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("sizes", [(7, 3), (7, 5, 4), (64, 16, 12, 10)])
def test_losses_are_those_of_the_array_network(sizes):
    plain, net = twins(*sizes)
    rng, loss = np.random.default_rng(0), nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    for count in (9, 4, 1, 8, 8, 8):
        x, y = rng.normal(size=(count, sizes[0])), rng.integers(0, sizes[-1], count)
        expected = loss(net(x), y)
        net.backward(loss.backward())
        found, d_weights, d_biases = plain.gradients(x.tolist(), y.tolist())
        assert found == pytest.approx(float(expected), abs=1e-12)
        for layer, rows, bias in zip(net[::2], d_weights, d_biases, strict=True):
            np.testing.assert_allclose(rows, layer.weight.grad, atol=1e-12)
            np.testing.assert_allclose(bias, layer.bias.grad, atol=1e-12)
        plain.step(x.tolist(), y.tolist(), lr=0.1)
        optimizer.step()
        optimizer.zero_grad()


def test_it_is_plain_and_short():
    text = Path(models.__file__).with_name("plain_python.py").read_text()
    assert len(text.splitlines()) <= 150
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    assert {alias.name for node in found for alias in node.names} == {"math", "random"}
    assert "from " not in text.split("class ")[0].split('"""')[2]


def test_it_learns_digits():
    data = datasets.load("digits")
    net = PlainMLP([64, 16, 10])
    for _ in range(3):
        for x, y in data.loader("train"):
            net.step(x.reshape(-1, 64).tolist(), y.tolist(), lr=0.5)
    x, y = data.test[np.arange(len(data.test))]
    right = np.array(net.predict((x.reshape(-1, 64) / max(1.0, x.max())).tolist())) == y
    assert right.mean() > 0.85


def test_bad_sizes():
    with pytest.raises(ValueError, match="PlainMLP: expected sizes such as"):
        PlainMLP([3])
