"""RingsNet: a linear classifier on squares, which draws circles and ellipses."""

import numpy as np

import firstlight as fl
from firstlight import nn, optim


class Squares(fl.Module):
    """Put the square of every feature beside it.

    Formula: y = (x, x²), for x (N, I) and y (N, 2I).

    Gradient: with dy = (da, db), and d(x²)/dx = 2x::

        dx = da + 2 x db
    """

    def forward(self, x):  # x (N, I)
        self.save(x)
        return np.concatenate([x, x * x], axis=1)  # (N, 2I)

    def backward(self, dy):  # dy (N, 2I)
        (x,) = self.saved()
        da, db = np.split(dy, 2, axis=1)  # (N, I) each
        return da + 2 * x * db  # (N, I)


class RingsNet(fl.Module):
    """Classify points by a linear function of their coordinates and the squares of these.

    Parameters
    ----------
    in_features, out_features : int
        Coordinates and classes.
    lr : float
        Learning rate of Adam.
    """

    def __init__(self, in_features: int = 2, out_features: int = 2, *, lr: float = 0.05):
        self.body = nn.Sequential(Squares(), nn.Linear(2 * in_features, out_features))
        self.loss = nn.CrossEntropyLoss()
        self.lr = lr

    def forward(self, x):  # x (N, I) -> (N, O)
        return self.body(x)

    def backward(self, dy):  # dy (N, O) -> (N, I)
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=self.lr)
