"""Softmax and LogSoftmax: probabilities from scores."""

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array


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

    def forward(self, x: Array) -> Array:
        y = _centered(self, x)
        np.exp(y, out=y)
        y /= y.sum(axis=self.dim, keepdims=True)
        self.save(y)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        dx = dy * y
        total = dx.sum(axis=self.dim, keepdims=True)  # Σ_i dy_i y_i
        np.subtract(dy, total, out=dx)
        dx *= y
        return dx

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

    def forward(self, x: Array) -> Array:
        y = _centered(self, x)
        if y.size:
            y -= np.log(np.exp(y).sum(axis=self.dim, keepdims=True))
        self.save(y)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        dx = np.exp(y)
        dx *= dy.sum(axis=self.dim, keepdims=True)
        np.subtract(dy, dx, out=dx)
        return dx

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _centered(layer, x):
    """Return x - m as a new array; raise a ValueError unless x has the layer's axis."""
    if not -x.ndim <= layer.dim < x.ndim:
        who = type(layer).__name__
        raise ValueError(f"{who}: expected x with an axis {layer.dim} (dim), got shape {x.shape}")
    return x - x.max(axis=layer.dim, keepdims=True) if x.size else x.copy()
