"""ReLU, LeakyReLU and ELU: activations that are the identity for positive x.

They avoid ``np.where``, which is slow on a random condition, and run over blocks, on all cores.
"""

import numpy as np

from firstlight import fast
from firstlight.module import Module
from firstlight.support.array import Array


class ReLU(Module):
    """Set negative values to zero.

    Formula::

        y = max(x, 0)

    Gradient: dy/dx is 1 where x > 0, and 0 elsewhere (by convention at 0 too)::

        dx = dy · [x > 0] = dy · [y > 0]

    References
    ----------
    Nair & Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.ReLU()(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    def forward(self, x: Array) -> Array:
        y = fast.blockwise(self._forward, x)
        self.save(y)  # the next layer saves y anyway, so this needs no memory
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        self.check_dy(dy, y.shape)
        return fast.blockwise(self._backward, y, dy)

    @staticmethod
    def _forward(y, x):
        np.maximum(x, 0, out=y)

    @staticmethod
    def _backward(dx, y, dy):
        fast.zero_where(dx, dy, y <= 0)  # dy · [y > 0] would be NaN for a dy of inf


class LeakyReLU(Module):
    """Scale negative values by a small slope, so that their gradient is not zero.

    Formula, with the slope s::

        y = max(x, 0) + s min(x, 0)

    Gradient::

        dx = dy · (1 if x > 0 else s) = s dy + (1 - s) dy · [x > 0]

    Parameters
    ----------
    negative_slope : float
        s, the slope for x < 0.

    References
    ----------
    Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.LeakyReLU(0.1)(np.array([-1.0, 0.0, 2.0]))
    array([-0.1,  0. ,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope: float = float(negative_slope)

    def forward(self, x: Array) -> Array:
        self.save(x)
        return fast.blockwise(self._forward, x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        self.check_dy(dy, x.shape)
        return fast.blockwise(self._backward, x, dy)

    def _forward(self, y, x):
        s = self.negative_slope
        np.multiply(x if s else np.minimum(x, 0), s, out=y)  # or 0 · inf would be NaN
        (np.maximum if s <= 1 else np.minimum)(x, y, out=y)  # s x is below x > 0 if s ≤ 1

    def _backward(self, dx, x, dy):
        np.multiply(x > 0, 1 - self.negative_slope, out=dx, dtype=dx.dtype)
        dx += self.negative_slope
        dx *= dy

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """Let negative values saturate smoothly at -alpha.

    Formula, with α = alpha and the negative part n::

        y = max(x, 0) + n        n = α (exp(min(x, 0)) - 1)

    Gradient: for x ≤ 0, dn/dx = α exp(x) = n + α; for x > 0 the slope is 1 and n = 0::

        dx = dy · (n + α)                           x ≤ 0
        dx = dy · 1 = dy · (n + α + (1 - α))        x > 0

    Parameters
    ----------
    alpha : float
        α, minus the limit for x → -∞.

    References
    ----------
    Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2015,
    eq. 15-16.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.ELU()(np.array([-1.0, 0.0, 2.0])).round(3)
    array([-0.632,  0.   ,  2.   ])
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha: float = float(alpha)

    def forward(self, x: Array) -> Array:
        y = fast.blockwise(self._forward, x)
        self.save(x, y)
        return y

    def backward(self, dy: Array) -> Array:
        x, y = self.saved()
        self.check_dy(dy, x.shape)
        return fast.blockwise(self._backward, x, y, dy)

    def _forward(self, y, x):
        np.minimum(x, 0, out=y)
        np.expm1(y, out=y)
        y *= self.alpha
        y += np.maximum(x, 0)

    def _backward(self, dx, x, y, dy):
        fast.zero_where(dx, y, x > 0)  # n
        dx += self.alpha
        if self.alpha != 1:
            dx += np.multiply(x > 0, 1 - self.alpha, dtype=dx.dtype)
        dx *= dy

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"
