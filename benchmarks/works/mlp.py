"""mlp: a multi-layer perceptron 784-512-256-10 with ReLU on images of MNIST's size."""

import numpy as np

BATCH = 128
OPTIMIZER = "Adam", {"lr": 1e-3}
WIDTHS = (784, 512, 256, 10)


def ours(batch):
    from firstlight.models import MLP

    return MLP(784, 10, hidden=WIDTHS[1:-1], norm=None, dropout=0.0)


def torch(batch):
    from torch import nn

    layers = [nn.Flatten()]
    for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
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


def gemms(batch):
    products = []
    for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
        products += [(batch, before, after), (after, batch, before)]  # y = x Wᵀ, dW = dyᵀ x
        if before != WIDTHS[0]:
            products += [(batch, after, before)]  # dx = dy W; nobody needs the pixels'
    return products
