"""A solution of the exercise, with one mistake."""

import numpy as np

import firstlight as fl

RNG = np.random.default_rng()


class Affine(fl.Module):
    """y = x Wᵀ + b."""

    def __init__(self, in_features, out_features):
        scale = (2 / in_features) ** 0.5
        self.weight = fl.Parameter(scale * RNG.normal(size=(out_features, in_features)))
        self.bias = fl.Parameter(np.zeros(out_features))

    def forward(self, x):
        self.save(x)
        return x @ self.weight.data.T + self.bias.data

    def backward(self, dy):
        (x,) = self.saved()
        self.weight.grad += dy.T @ x
        self.bias.grad += dy.mean(axis=0)
        return dy @ self.weight.data
