"""Sigmoid, Tanh, SiLU and Softplus: smooth activations made from one exponential."""

import numpy as np

from firstlight import ops
from firstlight.module import Module


class Sigmoid(Module):
    """Squash to (0, 1).

    Formula::

        y = σ(x) = 1 / (1 + exp(-x))

    Gradient: dy/dx = exp(-x) / (1 + exp(-x))² = y (1 - y), so y is all that backward needs::

        dx = dy · y (1 - y)

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Sigmoid()(np.array([-1e4, 0.0, 1e4])).round(3)
    array([0. , 0.5, 1. ])
    """

    def forward(self, x):
        y = ops.sigmoid(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        dx = 1 - y
        dx *= y
        dx *= dy
        return dx


class Tanh(Module):
    """Squash to (-1, 1).

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

    def forward(self, x):
        y = np.tanh(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        dx = np.square(y)
        np.subtract(1, dx, out=dx)
        dx *= dy
        return dx


class SiLU(Module):
    """Gate x by its own sigmoid; also called swish.

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

    def forward(self, x):
        s = ops.sigmoid(x)
        self.save(x, s)
        return x * s

    def backward(self, dy):
        x, s = self.saved()
        self.check_dy(dy, x.shape)
        dx = 1 - s
        dx *= x
        dx += 1
        dx *= s
        dx *= dy
        return dx


class Softplus(Module):
    """Smooth the corner of ReLU; positive everywhere.

    Formula, with β = beta::

        y = log(1 + exp(βx)) / β        βx ≤ threshold
        y = x                           βx > threshold, where exp would overflow

    Gradient::

        dx = dy · exp(βx) / (1 + exp(βx)) = dy · σ(βx)        βx ≤ threshold
        dx = dy                                               βx > threshold

    Parameters
    ----------
    beta : float
        β, the sharpness of the corner.
    threshold : float
        Where y = x begins.

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

    def __init__(self, beta=1.0, threshold=20.0):
        self.beta, self.threshold = float(beta), float(threshold)

    def forward(self, x):
        self.save(x)
        z = self.beta * x
        y = np.minimum(z, self.threshold)
        np.exp(y, out=y)
        np.log1p(y, out=y)
        y *= 1 / self.beta
        return np.where(z > self.threshold, x, y)

    def backward(self, dy):
        (x,) = self.saved()
        self.check_dy(dy, x.shape)
        z = self.beta * x
        dx = ops.sigmoid(z)
        dx *= dy
        return np.where(z > self.threshold, dy, dx)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"
