"""What planted mistakes stand in: copies of layers with another text, and a network around them.

``plant`` takes a layer's own source, changes it and runs it in its module's namespace, so that the
wrong layer differs from the right one in nothing else.
"""

import inspect
import linecache
import sys

import numpy as np

import firstlight as fl
from firstlight import nn, optim


def plant(cls, *changes):
    """A copy of a class whose source was changed: pairs of old and new text."""
    source = inspect.getsource(cls)
    for old, new in changes:
        assert source.count(old) >= 1, f"{cls.__name__} has no {old!r}"
        source = source.replace(old, new)
    space = dict(vars(sys.modules[cls.__module__])) | {"__name__": "planted"}
    file = f"<planted {cls.__name__} {hash(source)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), space)
    return space[cls.__name__]


class Net(fl.Module):
    """Layers between two linear ones, on digits."""

    def __init__(self, *middle, shape=(64,), flat=None, lr=1e-3):
        flat = int(np.prod(shape)) if flat is None else flat
        self.reshape = nn.Reshape(*shape)
        self.body = nn.Sequential(*middle)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(flat, 10)
        self.loss = nn.CrossEntropyLoss()
        self.lr = lr

    def forward(self, x):
        return self.head(self.flatten(self.body(self.reshape(x.reshape(len(x), -1)))))

    def backward(self, dy):
        dy = self.flatten.backward(self.head.backward(dy))
        return self.reshape.backward(self.body.backward(dy))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=self.lr)


class OwnLayerNorm(fl.Module):
    def __init__(self, size):
        self.weight = fl.Parameter(np.ones(size, "float32"))

    def forward(self, x):
        z = x - x.mean(axis=-1, keepdims=True)
        r = 1 / np.sqrt(np.square(z).mean(axis=-1, keepdims=True) + 1e-5)
        self.save(z, r)
        return self.weight.data * z * r

    def backward(self, dy):
        z, r = self.saved()
        self.weight.grad += (dy * z * r).sum(axis=0)
        return dy * self.weight.data * r


class Scaled(fl.Module):
    """A learned scale, whose gradient takes the last sample only."""

    def __init__(self):
        self.scale = fl.Parameter(np.ones(64, "float32"))

    def forward(self, x):
        self.save(x)
        return x * self.scale.data

    def backward(self, dy):
        (x,) = self.saved()
        self.scale.grad += (dy * x)[-1]
        return dy * self.scale.data


class PerChannel(fl.Module):
    """A bias a channel, summed over the pixels only."""

    def __init__(self):
        self.bias = fl.Parameter(np.zeros(1, "float32"))

    def forward(self, x):
        return x + self.bias.data

    def backward(self, dy):
        self.bias.grad += dy.sum(axis=(1, 2))
        return dy


class OwnConv(fl.Module):
    """A 3 x 3 convolution of one channel whose dx uses the kernel as it is."""

    def __init__(self):
        self.kernel = fl.Parameter(
            np.random.default_rng(0).standard_normal((3, 3)).astype("float32")
        )

    def forward(self, x):
        self.save(x)
        y = np.zeros((len(x), 6, 6, 1), x.dtype)
        for i in range(3):
            for j in range(3):
                y += self.kernel.data[i, j] * x[:, i : i + 6, j : j + 6]
        return y

    def backward(self, dy):
        (x,) = self.saved()
        dx = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                self.kernel.grad[i, j] += (dy * x[:, i : i + 6, j : j + 6]).sum()
                dx[:, i : i + 6, j : j + 6] += self.kernel.data[2 - i, 2 - j] * dy
        return dx
