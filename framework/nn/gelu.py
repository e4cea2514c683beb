"""GELU: the activation of most Transformers."""

import math

import numpy as np

from firstlight import ops
from firstlight.module import Module


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
        The approximation differs by less than 5e-4 and is the one that GPT-2 uses.

    Raises
    ------
    ValueError
        ``approximate`` is something else.

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

    def __init__(self, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: expected approximate "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    def forward(self, x):
        cdf = self._exact_cdf(x) if self.approximate == "none" else self._tanh_cdf(x)
        self.save(x, cdf)
        return x * cdf

    def backward(self, dy):
        x, cdf = self.saved()
        self.check_dy(dy, x.shape)
        dx = self._exact_pdf(x) if self.approximate == "none" else self._tanh_pdf(x, cdf)
        dx *= x
        dx += cdf
        dx *= dy
        return dx

    @staticmethod
    def _exact_cdf(x):  # Φ
        cdf = ops.erf(x * math.sqrt(0.5))
        cdf += 1
        cdf *= 0.5
        return cdf

    @staticmethod
    def _exact_pdf(x):  # φ = Φ'
        pdf = np.square(x)
        pdf *= -0.5
        np.exp(pdf, out=pdf)
        pdf *= 1 / math.sqrt(2 * math.pi)
        return pdf

    @staticmethod
    def _tanh_cdf(x):  # s
        u2 = np.square(x)
        u2 *= 0.044715
        u2 += 1
        u2 *= x
        u2 *= 2 * math.sqrt(2 / math.pi)  # 2u
        return ops.sigmoid(u2)

    @staticmethod
    def _tanh_pdf(x, s):  # s (1 - s) 2u'
        pdf = np.square(x)
        pdf *= 3 * 0.044715
        pdf += 1
        pdf *= 2 * math.sqrt(2 / math.pi)  # 2u'
        pdf *= s
        pdf *= 1 - s
        return pdf

    def extra_repr(self):
        return f"approximate={self.approximate!r}"
