"""GELU, its derivative, and the error function, block by block.

Forward and derivative share most of their work, some twenty passes; each is faster over a block
that stays in the cache.
"""

import math

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows
from firstlight.fast.compiled import fastest
from firstlight.support.array import Array

ROOT = math.sqrt(2 / math.pi)
CUBIC = 0.044715

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
LARGEST_EXACT, LARGEST_TANH = 40.0, 10.0  # likewise, for any dtype

# erf(x) = 1 - t P(t) exp(-x²) with t = 1/(1 + p x), x ≥ 0: error below 1.5e-7
HASTINGS_P = 0.3275911
HASTINGS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)

# erf(x) = x A(x²)/B(x²) for |x| ≤ 0.5, 1 - exp(-x²) C(x)/D(x) above: error below 1e-15
CODY_A = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
CODY_B = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
CODY_C = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
CODY_D = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)


def gelu(x: Array, approximate: str = "none", *, slope: bool = True) -> tuple[Array, Array | None]:
    """Compute y = x Φ(x) and dy/dx; see `firstlight.nn.GELU`.

    Parameters
    ----------
    x : array
    approximate : {"none", "tanh"}
    slope : bool
        If False, return None in place of dy/dx.

    Returns
    -------
    y, dydx : array, shape of x

    Examples
    --------
    >>> import numpy as np
    >>> y, dydx = gelu(np.array([-1.0, 0.0, 2.0]))
    >>> y.round(4), dydx.round(4)
    (array([-0.1587,  0.    ,  1.9545]), array([-0.0833,  0.5   ,  1.0852]))
    """
    flat = x.reshape(-1)  # (n,)
    y = np.empty_like(flat)
    dydx = np.empty_like(flat) if slope else None
    if approximate == "tanh":
        compute = _tanh
    else:
        compute = _exact_float32 if x.dtype == np.float32 else _exact
    compute = fastest(compute, x)

    def block(start, stop):
        compute(flat[start:stop], y[start:stop], dydx[start:stop] if slope else None)

    spread_rows(block, flat)
    return y.reshape(x.shape), dydx.reshape(x.shape) if slope else None


def _exact_float32(x, y, dydx):
    near = np.clip(x, -LARGEST, LARGEST)
    square = np.square(near)
    np.multiply(square, TANH_OF[0], out=y)
    for coefficient in TANH_OF[1:-1]:
        y += coefficient
        y *= square
    y += TANH_OF[-1]
    y *= near
    _half_one_plus_tanh(y)  # Φ
    if dydx is not None:
        _exact_slope(near, square, y, dydx)
    y *= x


def _exact(x, y, dydx):
    np.multiply(x, math.sqrt(0.5), out=y)
    y[...] = erf(y)
    y += 1
    y *= 0.5  # Φ
    if dydx is not None:
        near = np.clip(x, -LARGEST_EXACT, LARGEST_EXACT)
        _exact_slope(near, np.square(near), y, dydx)
    y *= x


def _exact_slope(x, square, cdf, dydx):  # Φ + x φ,  φ = exp(-x²/2) / √(2π)
    np.multiply(square, -0.5, out=dydx)
    np.exp(dydx, out=dydx)
    dydx *= x
    dydx *= 1 / math.sqrt(2 * math.pi)
    dydx += cdf


def _tanh(x, y, dydx):
    near = np.clip(x, -LARGEST_TANH, LARGEST_TANH)
    square = np.square(near)
    np.multiply(square, ROOT * CUBIC, out=y)
    y += ROOT
    y *= near  # u
    _half_one_plus_tanh(y)  # s = σ(2u)
    if dydx is not None:  # s + x s (1 - s) 2u'
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


def erf(x: Array) -> Array:
    """Compute the error function, erf(x) = 2/√π ∫₀ˣ exp(-t²) dt.

    The error is below 1e-15 in float64. In float32, where rounding alone costs 1e-7, a shorter
    formula is used, with an error below 1e-6.

    References
    ----------
    float32: Abramowitz & Stegun, "Handbook of Mathematical Functions", 1964, formula 7.1.26
    (Hastings). float64: Cody, "Rational Chebyshev approximations for the error function", 1969,
    as in his ``CALERF``.

    Examples
    --------
    >>> import numpy as np
    >>> erf(np.array([-10.0, 0.0, 0.5])).round(6)
    array([-1.    ,  0.    ,  0.5205])
    """
    return _erf_cody(x) if x.dtype == np.float64 else _erf_hastings(x)


def _erf_hastings(x):
    t = np.abs(x)
    t *= HASTINGS_P
    t += 1
    np.divide(1, t, out=t)
    y = _polynomial(HASTINGS, t)
    y *= t
    y *= _exp_minus_square(x)
    np.subtract(1, y, out=y)
    y *= np.sign(x)
    return y


def _erf_cody(x):
    size = np.abs(x)
    inner = np.minimum(size, 0.5)  # each formula gets only numbers of its own range
    square = inner * inner
    inner *= _polynomial(CODY_A, square) / _polynomial(CODY_B, square)
    outer = np.clip(size, 0.5, 6.0)  # erf(6) is 1 to the last digit
    outer = 1 - _exp_minus_square(outer) * (_polynomial(CODY_C, outer) / _polynomial(CODY_D, outer))
    return np.sign(x) * np.where(size < 0.5, inner, outer)


def _exp_minus_square(x):
    y = np.square(x)
    np.negative(y, out=y)
    return np.exp(y, out=y)


def _polynomial(coefficients, t):
    """Evaluate a polynomial, highest power first, by Horner's rule."""
    y = t * coefficients[0]
    for coefficient in coefficients[1:-1]:
        y += coefficient
        y *= t
    y += coefficients[-1]
    return y
