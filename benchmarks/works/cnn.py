"""cnn: the network of PyTorch's MNIST example, conv 32 – conv 64 – pool – 128, with its dropout."""

import numpy as np

BATCH = 64
OPTIMIZER = "Adam", {"lr": 1e-3}


def ours(batch):
    from firstlight.models import CNN

    return CNN((28, 28, 1), 10)


def torch(batch):
    import torch
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
    # The faster of its two layouts here, by a fifth.
    return net.to(memory_format=torch.channels_last), nn.CrossEntropyLoss()


def batches(batch, count):
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((batch, 28, 28, 1), "float32"), rng.integers(0, 10, batch))
        for _ in range(count)
    ]


def to_torch(x, y):
    import torch

    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(y)


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
