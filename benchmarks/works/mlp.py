"""mlp: a multi-layer perceptron 784-512-256-10 with ReLU on images of MNIST's size."""

from itertools import pairwise

import numpy as np

BATCH = 128
OPTIMIZER = "Adam", {"lr": 1e-3}
IMAGES = False
WIDTHS = (784, 512, 256, 10)


def ours(batch):
    from firstlight.models import MLP

    return MLP(784, 10, hidden=WIDTHS[1:-1], norm=None, dropout=0.0)


def torch(batch):
    from torch import nn

    layers = [nn.Flatten()]
    for before, after in pairwise(WIDTHS):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1]), nn.CrossEntropyLoss()


def batches(batch, count):
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((batch, 28, 28, 1), "float32"), rng.integers(0, 10, batch))
        for _ in range(count)
    ]


def to_torch(x, y):
    import torch

    return torch.from_numpy(x), torch.from_numpy(y)


def jax(batch):
    from jax import nn
    from optax import softmax_cross_entropy_with_integer_labels

    rng, layers = np.random.default_rng(0), []
    for before, after in pairwise(WIDTHS):
        w = rng.standard_normal((before, after), "float32") * (2 / before) ** 0.5
        layers.append((w.astype("float32"), np.zeros(after, "float32")))

    def loss(layers, key, x, y):
        x = x.reshape(len(x), -1)
        for w, b in layers[:-1]:
            x = nn.relu(x @ w + b)
        w, b = layers[-1]
        return softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

    return layers, loss


def gemms(batch):
    products = []
    for before, after in pairwise(WIDTHS):
        products += [(batch, before, after), (after, batch, before)]  # y = x Wᵀ, dW = dyᵀ x
        if before != WIDTHS[0]:
            products += [(batch, after, before)]  # dx = dy W; nobody needs the pixels'
    return products
