"""Sigmoid, Tanh, SiLU and Softplus: smooth activations based on the exponential."""

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.forms import accelerated
from firstlight.support.special import sigmoid


class Sigmoid(Module):
    """Map to (0, 1).

    Formula::

        y = σ(x) = 1 / (1 + exp(-x))

    Gradient: dy/dx = exp(-x) / (1 + exp(-x))² = y (1 - y), so backward needs y only::

        dx = dy · y (1 - y)

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Sigmoid()(np.array([-1e4, 0.0, 1e4])).round(3)
    array([0. , 0.5, 1. ])
    """

    @accelerated
    def forward(self, x: Array) -> Array:
        with np.errstate(over="ignore"):  # exp(-x) = inf gives y = 0 exactly
            y = 1 / (1 + np.exp(-x))
        self.save(y)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy * y * (1 - y)


class Tanh(Module):
    """Map to (-1, 1).

    Formula::

        y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Gradient::

        dx = dy · (1 - y²)

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Tanh()(np.array([-1e4, 0.0, 1e4]))
    array([-1.,  0.,  1.])
    """

    @accelerated
    def forward(self, x: Array) -> Array:
        y = np.tanh(x)
        self.save(y)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy * (1 - y**2)


class SiLU(Module):
    """Multiply x by its own sigmoid; also called swish.

    Formula::

        y = x s        s = σ(x)

    Gradient: by the product rule, with ds/dx = s (1 - s)::

        dx = dy · (s + x s (1 - s)) = dy · s (1 + x (1 - s))

    References
    ----------
    Elfwing et al., "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in
    Reinforcement Learning", 2017, eq. 5 and 7.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.SiLU()(np.array([-1.0, 0.0, 2.0])).round(3)
    array([-0.269,  0.   ,  1.762])
    """

    @accelerated
    def forward(self, x: Array) -> Array:
        s = sigmoid(x)
        self.save(x, s)
        return x * s

    @accelerated
    def backward(self, dy: Array) -> Array:
        x, s = self.saved()
        return dy * s * (1 + x * (1 - s))


class Softplus(Module):
    """Smooth approximation of ReLU, positive everywhere.

    Formula, with β = beta::

        y = log(1 + exp(βx)) / β        βx ≤ threshold
        y = x                           βx > threshold, where exp would overflow

    Gradient::

        dx = dy · exp(βx) / (1 + exp(βx)) = dy · σ(βx)        βx ≤ threshold
        dx = dy                                               βx > threshold

    Parameters
    ----------
    beta : float
        β, the sharpness of the bend.
    threshold : float
        Value of βx above which y = x.

    References
    ----------
    Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing",
    2000, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Softplus()(np.array([-1e4, 0.0, 1e4])).round(3)
    array([0.00e+00, 6.93e-01, 1.00e+04])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta: float = float(beta)
        self.threshold: float = float(threshold)

    @accelerated
    def forward(self, x: Array) -> Array:
        self.save(x)
        z = self.beta * x
        y = np.log1p(np.exp(np.minimum(z, self.threshold))) / self.beta
        return np.where(z > self.threshold, x, y)

    @accelerated
    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        z = self.beta * x
        return np.where(z > self.threshold, dy, dy * sigmoid(z))

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"
