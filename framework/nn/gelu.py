"""GELU: the activation of most Transformers."""

from firstlight import fast
from firstlight.module import Module
from firstlight.support.array import Array


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

    def forward(self, x: Array) -> Array:
        y, slope = fast.gelu(x, self.approximate, slope=self._stack is not None)
        self.save(slope)  # dy/dx, computed together with y
        return y

    def backward(self, dy: Array) -> Array:
        (slope,) = self.saved()
        self.check_dy(dy, slope.shape)
        return dy * slope

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"
