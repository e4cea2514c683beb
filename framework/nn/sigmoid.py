"""Sigmoid, Tanh, SiLU and Softplus: smooth activations based on the exponential.

They run over blocks, on all cores (`firstlight.fast.blocked.elementwise`).
"""

import numpy as np

from firstlight import fast
from firstlight.module import Module
from firstlight.support.array import Array


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

    def forward(self, x: Array) -> Array:
        y = fast.sigmoid(x)
        self.save(y)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        return fast.blockwise(self._backward, y, dy)

    @staticmethod
    def _backward(dx, y, dy):
        np.subtract(1, y, out=dx)
        dx *= y
        dx *= dy


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

    def forward(self, x: Array) -> Array:
        y = fast.blockwise(self._forward, x)
        self.save(y)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        return fast.blockwise(self._backward, y, dy)

    @staticmethod
    def _forward(y, x):
        np.tanh(x, out=y)

    @staticmethod
    def _backward(dx, y, dy):
        np.square(y, out=dx)
        np.subtract(1, dx, out=dx)
        dx *= dy


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

    def forward(self, x: Array) -> Array:
        s = np.empty_like(x, order="C")
        y = fast.blockwise(self._forward, x, s)
        self.save(x, s)
        return y

    def backward(self, dy: Array) -> Array:
        x, s = self.saved()
        self.check_dy(dy, x.shape)
        return fast.blockwise(self._backward, x, s, dy)

    @staticmethod
    def _forward(y, x, s):
        fast.sigmoid_into(s, x)
        np.multiply(x, s, out=y)

    @staticmethod
    def _backward(dx, x, s, dy):
        np.subtract(1, s, out=dx)
        dx *= x
        dx += 1
        dx *= s
        dx *= dy


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

    def forward(self, x: Array) -> Array:
        self.save(x)
        return fast.blockwise(self._forward, x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        self.check_dy(dy, x.shape)
        return fast.blockwise(self._backward, x, dy)

    def _forward(self, y, x):
        np.multiply(x, self.beta, out=y)
        linear = y > self.threshold
        np.minimum(y, self.threshold, out=y)
        np.exp(y, out=y)
        np.log1p(y, out=y)
        y *= 1 / self.beta
        np.copyto(y, x, where=linear)

    def _backward(self, dx, x, dy):
        z = self.beta * x
        fast.sigmoid_into(dx, z)
        dx *= dy
        np.copyto(dx, dy, where=z > self.threshold, casting="same_kind")

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"
