"""GELU and its derivative, block by block.

Forward and derivative share most of their work, about twenty passes, each of which is faster over a
block that stays in the cache.
"""

import math

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.gelu import CUBIC, GELU, ROOT
from firstlight.support.array import Array
from firstlight.support.forms import form

# Φ(x) = (1 + tanh(x P(x²))) / 2 for float32, highest power first: the minimax polynomial of
# degree 6 for |x| ≤ 6.5, beyond which tanh is ±1; x Φ(x) is off by less than 1e-7.
TANH_OF = (
    1.813925653878012e-9,
    -1.337831273933014e-7,
    3.9740696103270516e-6,
    -5.527337839412916e-5,
    -3.3026728887783834e-5,
    0.036334149153840964,
    0.7978842683971492,
)
LARGEST = 9.0  # Φ(±9) is 1 and 0 in float32; powers of larger numbers would overflow
LARGEST_TANH = 10.0  # likewise


@form(GELU, when=[numpy_float32])
class BlockedGELU:
    """Compute y and dy/dx together, in blocks of elements that stay in the cache."""

    def forward(self, layer: GELU, x: Array) -> Array:
        compute = self.tanh if layer.approximate == "tanh" else self.exact
        flat = x.reshape(-1)  # (n,)
        y = np.empty_like(flat)
        dydx = np.empty_like(flat) if layer.saves else None

        def block(start, stop):
            slope = None if dydx is None else dydx[start:stop]
            compute(flat[start:stop], y[start:stop], slope)

        spread_rows(block, flat)
        layer.save(dydx)
        return y.reshape(x.shape)

    def backward(self, layer: GELU, dy: Array) -> Array:
        (dydx,) = layer.saved()
        return dy * dydx.reshape(dy.shape)

    @staticmethod
    def exact(x: Array, y: Array, dydx: Array | None) -> None:
        """Write y = x Φ(x) and, unless ``dydx`` is None, Φ + x φ."""
        near = np.clip(x, -LARGEST, LARGEST)
        square = np.square(near)
        np.multiply(square, TANH_OF[0], out=y)
        for coefficient in TANH_OF[1:-1]:
            y += coefficient
            y *= square
        y += TANH_OF[-1]
        y *= near
        _half_one_plus_tanh(y)  # Φ
        if dydx is not None:  # Φ + x φ,  φ = exp(-x²/2) / √(2π)
            np.multiply(square, -0.5, out=dydx)
            np.exp(dydx, out=dydx)
            dydx *= near
            dydx *= 1 / math.sqrt(2 * math.pi)
            dydx += y
        y *= x

    @staticmethod
    def tanh(x: Array, y: Array, dydx: Array | None) -> None:
        """Write y = x s and, unless ``dydx`` is None, s + x s (1 - s) 2u'."""
        near = np.clip(x, -LARGEST_TANH, LARGEST_TANH)
        square = np.square(near)
        np.multiply(square, ROOT * CUBIC, out=y)
        y += ROOT
        y *= near  # u
        _half_one_plus_tanh(y)  # s = σ(2u)
        if dydx is not None:
            square *= 6 * ROOT * CUBIC
            square += 2 * ROOT  # 2u'
            square *= near
            np.subtract(1, y, out=dydx)
            dydx *= square
            dydx += 1
            dydx *= y
        y *= x


def _half_one_plus_tanh(u):
    np.tanh(u, out=u)
    u *= 0.5
    u += 0.5
