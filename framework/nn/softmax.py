"""Softmax and LogSoftmax: probabilities from scores."""

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_axis
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Softmax(Module):
    """Convert scores to probabilities that sum to 1 along an axis.

    Formula; the largest score m = max_j x_j cancels, and prevents overflow of exp::

        y_i = exp(x_i - m) / Σ_j exp(x_j - m)

    Gradient, from dy_i/dx_j = y_i ([i = j] - y_j)::

        dx_j = Σ_i dy_i y_i ([i = j] - y_j) = y_j (dy_j - Σ_i dy_i y_i)

    Parameters
    ----------
    dim : int
        The axis of i and j.

    References
    ----------
    Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Softmax()(np.array([[0.0, 0.0], [1e4, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim

    @accelerated
    def forward(self, x: Array) -> Array:
        m = x.max(axis=self.dim, keepdims=True) if x.size else 0  # (..., 1, ...)
        e = np.exp(x - m)
        y = e / e.sum(axis=self.dim, keepdims=True)
        self.save(y)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return y * (dy - (dy * y).sum(axis=self.dim, keepdims=True))

    def check_input(self, x: Array) -> None:
        check_axis(self, x, "dim")

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """Compute the logarithm of softmax without taking the logarithm of zero.

    Formula, with m = max_j x_j::

        y_i = log softmax(x)_i = x_i - m - log Σ_j exp(x_j - m)

    Gradient: dy_i/dx_j = [i = j] - softmax(x)_j, and softmax(x) = exp(y)::

        dx_j = Σ_i dy_i ([i = j] - exp(y_j)) = dy_j - exp(y_j) Σ_i dy_i

    Parameters
    ----------
    dim : int
        The axis of i and j.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.LogSoftmax()(np.array([[1e4, -1e4]]))
    array([[     0., -20000.]])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim

    @accelerated
    def forward(self, x: Array) -> Array:
        m = x.max(axis=self.dim, keepdims=True) if x.size else 0  # (..., 1, ...)
        y = x - m - np.log(np.exp(x - m).sum(axis=self.dim, keepdims=True))
        self.save(y)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy - np.exp(y) * dy.sum(axis=self.dim, keepdims=True)

    def check_input(self, x: Array) -> None:
        check_axis(self, x, "dim")

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
