"""cnn: the network of PyTorch's MNIST example, conv 32 – conv 64 – pool – 128, with its dropout."""

import numpy as np

BATCH = 64
IMAGES = True
OPTIMIZER = "Adam", {"lr": 1e-3}


def ours(batch):
    from firstlight.models import CNN

    return CNN((28, 28, 1), 10, channels=(32, 64), padding=0, pool_every=2, norm=None, dropout=0.25)


def torch(batch):
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    return net, nn.CrossEntropyLoss()


def batches(batch, count):
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((batch, 28, 28, 1), "float32"), rng.integers(0, 10, batch))
        for _ in range(count)
    ]


def to_torch(x, y):
    import torch

    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y)


def jax(batch):
    from jax import lax, nn, numpy, random
    from optax import softmax_cross_entropy_with_integer_labels

    rng = np.random.default_rng(0)
    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (9216, 128), (128, 10)]
    layers = []
    for *inputs, out in shapes:
        w = rng.standard_normal((*inputs, out), "float32") * (2 / np.prod(inputs)) ** 0.5
        layers.append((w.astype("float32"), np.zeros(out, "float32")))

    def drop(x, rate, key):
        return numpy.where(random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)

    def loss(layers, key, x, y):
        keys = random.split(key)
        for w, b in layers[:2]:
            axes = ("NHWC", "HWIO", "NHWC")
            x = nn.relu(lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=axes) + b)
        x = lax.reduce_window(x, -numpy.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = drop(x, 0.25, keys[0]).reshape(len(x), -1)
        (w, b), (v, c) = layers[2:]
        x = drop(nn.relu(x @ w + b), 0.5, keys[1])
        return softmax_cross_entropy_with_integer_labels(x @ v + c, y).mean()

    return layers, loss


def gemms(batch):
    places = batch * 24 * 24
    return [
        (batch * 26 * 26, 9, 32),  # the first convolution, and its dW
        (32, batch * 26 * 26, 9),
        (places, 288, 64),  # the second, its dW and dx
        (64, places, 288),
        (places, 64, 288),
        (batch, 9216, 128),
        (128, batch, 9216),
        (batch, 128, 9216),
        (batch, 128, 10),
        (10, batch, 128),
        (batch, 10, 128),
    ]
