"""Polynomial: curve fitting by gradient descent."""

from typing import Any

import numpy as np

from firstlight import nn, optim
from firstlight.module import Module
from firstlight.support import backend
from firstlight.support.array import Array


class Polynomial(Module):
    """Fit a polynomial of degree M by gradient descent.

    Formula, with u = 2x - 1 in [-1, 1] for x in [0, 1], whose powers are less correlated::

        φ(x) = (u, u², …, u^M)          features, (N, M)
        y    = φ(x) Wᵀ + b              linear in the weights, (N, 1)

    Gradient: that of `Linear`; x is data, so there is no dx.

    In closed form: `firstlight.models.least_squares` on the columns (1, φ). The loss is a mean
    over N points and Adam adds ``weight_decay · w`` to the gradient, so that
    ``ridge = N · weight_decay / 2`` there penalises the same weights alike.

    Parameters
    ----------
    degree : int
        M, 0 or more; 0 fits a constant.
    lr : float
        Learning rate of Adam.
    weight_decay : float
        L2 penalty of all weights, b included.

    Raises
    ------
    ValueError
        A negative degree, or x that is not (N, 1).

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, section 1.1, eq. 1.1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import Polynomial
    >>> Polynomial(3)(np.zeros((5, 1), "float32")).shape
    (5, 1)
    """

    def __init__(self, degree: int = 3, *, lr: float = 0.03, weight_decay: float = 0.0):
        if degree < 0:
            raise ValueError(f"Polynomial: expected a degree of 0 or more, got {degree}")
        self.degree = degree
        self.lr = lr
        self.weight_decay = weight_decay
        # Degree 0 keeps one feature that is always zero, so that only the bias is learned.
        self.line: nn.Linear = nn.Linear(max(degree, 1), 1, needs_dx=False)
        self.loss: nn.MSELoss = nn.MSELoss()

    def features(self, x: Array) -> Array:
        """Return φ(x), shape (N, M), for x of shape (N, 1)."""
        if x.ndim != 2 or x.shape[1] != 1:
            raise ValueError(
                f"Polynomial: expected x of shape (N, 1), got {x.shape}; use x.reshape(-1, 1)"
            )
        if self.degree == 0:
            return np.zeros_like(x)
        u = 2 * x - 1  # (N, 1)
        return np.concatenate([u**power for power in range(1, self.degree + 1)], axis=1)  # (N, M)

    def forward(self, x: Array) -> Array:  # x (N, 1)
        return self.line(self.features(x))  # (N, 1)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, 1)
        return self.line.backward(dy)  # None

    def configure_optimizer(self) -> optim.Optimizer:
        return optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def coefficients(self) -> Array:
        """Return the weights of 1, x, …, x^M, float64 of shape (M + 1,).

        Formula: (2x - 1)^k multiplied out, by Horner's rule.
        """
        w, b = backend.to_host(self.line.weight.data), backend.to_host(self.line.bias.data)
        total = np.polynomial.Polynomial([0.0])
        for weight in w[0, : self.degree][::-1]:
            total = (total + float(weight)) * np.polynomial.Polynomial([-1.0, 2.0])
        found = (total + float(b[0])).coef
        return np.pad(found, (0, self.degree + 1 - len(found)))
