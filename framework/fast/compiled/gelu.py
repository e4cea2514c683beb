"""GELU and its derivative in one pass; the formulas are those of `firstlight.fast.blocked.gelu`."""

import math
from typing import Any

import numpy as np

from firstlight.fast.blocked.gelu import CUBIC, LARGEST, LARGEST_TANH, ROOT
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

# Φ(-x) = exp(-x²/2) t P(t) with t = 1/(1 + NEAR x) for x ≥ 0, highest power first: x Φ(x) is off by
# less than 1e-8. φ(x) = exp(-x²/2)/√(2π) needs the same exponential.
NEAR = np.float32(0.28)
T6, T5, T4, T3, T2, T1 = (
    np.float32(c)
    for c in (
        -0.1067547143354706, 0.3938087587646907, -0.24349509681782433,
        0.27424600381775166, 0.06532239783057636, 0.11687263662663275,
    )
)  # fmt: skip
MOST, MOST_TANH = np.float32(LARGEST), np.float32(LARGEST_TANH)
DENSITY = np.float32(1 / math.sqrt(2 * math.pi))
LINEAR, CUBE = np.float32(2 * ROOT), np.float32(2 * ROOT * CUBIC)
ONE, HALF, THREE = (np.float32(c) for c in (1, 0.5, 3))
FAST = {"contract", "nsz"}

LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # ln 2, in two parts
SMALLEST, LARGEST = np.float32(-87.3), np.float32(88.0)  # exp of them is normal and finite

# exp(r) = 1 + r + r² P(r) for |r| ≤ ln(2)/2, highest power first
P5, P4, P3, P2, P1, P0 = (
    np.float32(c)
    for c in (
        1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
        4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
    )
)  # fmt: skip


def exact(x: Array, y: Array, dydx: Array | None) -> None:
    """Write y = x Φ(x) and, unless ``dydx`` is None, Φ + x φ."""
    exact_into(x, y, y if dydx is None else dydx, dydx is not None)


def tanh(x: Array, y: Array, dydx: Array | None) -> None:
    """Write y = x s and, unless ``dydx`` is None, s + x s (1 - s) 2u'."""
    tanh_into(x, y, y if dydx is None else dydx, dydx is not None)


@cached_njit(error_model="numpy", fastmath=FAST)
def exact_into(x: Array, y: Array, dydx: Array, slope: bool) -> None:
    """Write y and, if ``slope``, dy/dx; x, y and dydx must not overlap."""
    for i in range(x.size):
        a = x[i]
        low = -MOST if a < -MOST else a  # unlike min and max, this keeps NaN at no cost
        near = MOST if low > MOST else low
        bell = _exp(-HALF * near * near)
        t = ONE / (ONE + NEAR * abs(near))
        tail = (((((T6 * t + T5) * t + T4) * t + T3) * t + T2) * t + T1) * t * bell
        cdf = tail if near < np.float32(0) else ONE - tail
        if slope:
            dydx[i] = cdf + near * bell * DENSITY
        y[i] = low * cdf  # cdf is never exactly 0


@cached_njit(error_model="numpy", fastmath=FAST)
def tanh_into(x: Array, y: Array, dydx: Array, slope: bool) -> None:
    """Write y and, if ``slope``, dy/dx, with the approximation by tanh."""
    for i in range(x.size):
        a = x[i]
        low = -MOST_TANH if a < -MOST_TANH else a
        near = MOST_TANH if low > MOST_TANH else low
        square = near * near
        s = ONE / (ONE + exp(-near * (LINEAR + CUBE * square)))
        if slope:
            dydx[i] = s + near * s * (ONE - s) * (LINEAR + THREE * CUBE * square)
        y[i] = low * s


@cached_njit(error_model="numpy")
def exp(x: Any) -> Any:
    """Return exp(x) to 5e-7; 0 for x below -87.3, where the result would be subnormal."""
    y = _exp(min(max(x, SMALLEST), LARGEST))
    return np.float32(0) if x < SMALLEST else y


@cached_njit(error_model="numpy")
def _exp(x):
    """Return exp(x).

    With n = x / ln 2 rounded and r = x - n ln 2, exp(x) = 2ⁿ exp(r). The exponent bits of 2ⁿ are
    n + 127.

    References
    ----------
    Moshier, "Methods and Programs for Mathematical Functions", 1989 (Cephes, ``expf``).
    """
    n = np.floor(x * LOG2_E + HALF)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    y = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    y = y * r * r + r + ONE
    return y * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
