"""GELU: the activation of most Transformers."""

import math

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.forms import accelerated
from firstlight.support.special import erf, sigmoid

ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of u


class GELU(Module):
    """Multiply x by the probability that a standard normal variable is smaller.

    Formula, exact (φ and Φ: density and distribution function of the normal distribution)::

        y = x Φ(x)        Φ(x) = (1 + erf(x/√2)) / 2

    and with ``approximate="tanh"``, where (1 + tanh u) / 2 = σ(2u)::

        y = x s           s = σ(2u),  u = √(2/π) (x + 0.044715 x³)

    Gradient: by the product rule, with Φ' = φ = exp(-x²/2)/√(2π) and s' = s (1 - s) 2u'::

        dx = dy · (Φ + x φ)
        dx = dy · (s + x s (1 - s) 2u')        u' = √(2/π) (1 + 3 · 0.044715 x²)

    Parameters
    ----------
    approximate : {"none", "tanh"}
        The approximation, used by GPT-2, differs by less than 5e-4.

    Raises
    ------
    ValueError
        ``approximate`` has another value.

    References
    ----------
    Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.GELU()(np.array([-1.0, 0.0, 2.0])).round(4)
    array([-0.1587,  0.    ,  1.9545])
    """

    def __init__(self, approximate: str = "none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: expected approximate "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    @accelerated
    def forward(self, x: Array) -> Array:
        self.save(x)
        if self.approximate == "tanh":
            return x * sigmoid(2 * self._u(x))
        return x * self._cdf(x)

    @accelerated
    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        x = np.clip(x, -30, 30)  # farther out dy/dx is 0 or 1 as here, but inf · 0 would be NaN
        if self.approximate == "tanh":
            s = sigmoid(2 * self._u(x))
            du = ROOT * (1 + 3 * CUBIC * x**2)
            return dy * (s + x * s * (1 - s) * 2 * du)
        pdf = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)  # φ
        return dy * (self._cdf(x) + x * pdf)

    def _cdf(self, x):  # Φ
        return (1 + erf(x / math.sqrt(2))) / 2

    def _u(self, x):
        x = np.clip(x, -30, 30)  # farther out σ(2u) is 0 or 1, and x³ overflows in the end
        return ROOT * (x + CUBIC * x**3)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"
