"""Every update rule, and a few steps of training, for the tests in this folder."""

import numpy as np
import pytest

from firstlight import Parameter, optim

RULES = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd-momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    "sgd-nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, weight_decay=0.1),
    "rmsprop-full": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.1),
    "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@pytest.fixture(params=RULES.values(), ids=RULES)
def make(request):
    """Each update rule in turn: a function from parameters to an optimizer."""
    return request.param


@pytest.fixture
def parameters():
    """Make three parameters, the same ones every time."""

    def parameters(dtype="float64"):
        rng = np.random.default_rng(1)
        shapes = ((5, 3), (7,), (2, 3, 2))
        return [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in shapes]

    return parameters


@pytest.fixture
def train():
    """Step on random gradients; those of step s depend on the seed and s alone."""

    def train(optimizer, params, steps, seed=2):
        for _ in range(steps):
            rng = np.random.default_rng([seed, optimizer.steps])
            for p in params:
                p.grad[...] = rng.standard_normal(p.shape)
            optimizer.step()
            optimizer.zero_grad()

    return train
