"""Every update rule, and parameters to step, for tests of optimizers and of their forms."""

import numpy as np

from firstlight import Parameter, optim

FORMED = {  # those with faster forms
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd-momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    "sgd-nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, weight_decay=0.1),
    "rmsprop-full": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.1),
    "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}
RULES = FORMED | {
    "adam-amsgrad": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    "adamw-amsgrad": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    "lion": lambda p: optim.Lion(p, lr=0.01, weight_decay=0.1),
    "nadam": lambda p: optim.NAdam(p, lr=0.01, weight_decay=0.1),
    "nadam-decoupled": lambda p: optim.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True),
}


def make_parameters(dtype="float64"):
    """Return three parameters, the same ones every time."""
    rng = np.random.default_rng(1)
    shapes = ((5, 3), (7,), (2, 3, 2))
    return [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in shapes]


def train(optimizer, params, steps, seed=2):
    """Step on random gradients; those of step s depend on the seed and s alone."""
    for _ in range(steps):
        rng = np.random.default_rng([seed, optimizer.steps])
        for p in params:
            p.grad[...] = rng.standard_normal(p.shape)
        optimizer.step()
        optimizer.zero_grad()
