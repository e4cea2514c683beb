"""Grade one exercise: a layer `Affine(in_features, out_features)` in a file affine.py."""

import numpy as np
import pytest
from affine import Affine

import firstlight as fl

rng = np.random.default_rng()  # other numbers each time: they cannot be hard-coded


def test_forward():
    layer, x = Affine(3, 4), rng.normal(size=(5, 3))
    weight, bias = layer.weight.data, layer.bias.data
    assert (weight.shape, bias.shape) == ((4, 3), (4,))
    y = [[sum(weight[j] * sample) + bias[j] for j in range(4)] for sample in x]
    np.testing.assert_allclose(layer(x), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 7])
def test_backward(check_network, samples):
    check_network(Affine(3, 4), rng.normal(size=(samples, 3)))


class Net(fl.Module):
    """Two of them in a network with a loss and an optimizer."""

    def __init__(self):
        self.body = fl.nn.Sequential(Affine(2, 16), fl.nn.ReLU(), Affine(16, 2))
        self.loss = fl.nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=0.01)


def test_training(check_network):
    x = rng.normal(size=(64, 2))
    report = check_network(Net(), (x, (x[:, 0] * x[:, 1] > 0).astype(int)))
    assert report.ok
