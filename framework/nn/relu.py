"""ReLU, LeakyReLU and ELU: activations that are the identity for positive x."""

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


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

    @accelerated
    def forward(self, x: Array) -> Array:
        y = np.maximum(x, 0)
        self.save(y)  # the next layer saves y too, so it takes no memory
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return np.where(y <= 0, 0, dy)  # not dy * (y > 0): inf · 0 would be NaN


class LeakyReLU(Module):
    """Scale negative values by a small slope, so that their gradient is not zero.

    Formula, with the slope s::

        y = max(x, 0) + s min(x, 0)

    Gradient::

        dx = dy · (1 if x > 0 else s)

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

    @accelerated
    def forward(self, x: Array) -> Array:
        self.save(x)
        return np.maximum(x, 0) + self.negative_slope * np.minimum(x, 0)

    @accelerated
    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        return np.where(x > 0, dy, self.negative_slope * dy)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """Let negative values saturate smoothly at -alpha.

    Formula, with α = alpha and the negative part n::

        y = max(x, 0) + n        n = α (exp(min(x, 0)) - 1)

    Gradient: for x ≤ 0, y = n and dn/dx = α exp(x) = n + α::

        dx = dy · (y + α)        x ≤ 0
        dx = dy                  x > 0

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

    @accelerated
    def forward(self, x: Array) -> Array:
        n = self.alpha * np.expm1(np.minimum(x, 0))
        y = np.maximum(x, 0) + n
        self.save(x, y)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:
        x, y = self.saved()
        return dy * np.where(x > 0, 1, y + self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"
