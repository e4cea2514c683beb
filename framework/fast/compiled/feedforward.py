"""FeedForward in blocks of rows: both products and GELU while the rows are in the cache.

Each core computes its share of the rows from x to y in one call, and in backward from dy to dx.
"""

import numpy as np

from firstlight.fast.compiled.blas import multiply
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.gelu import exact_into, tanh_into
from firstlight.fast.compiled.rows import add_bias, add_sums
from firstlight.support.array import Array

ROWS = 128  # in a block
HOW = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


@cached_njit(**HOW)
def forward(
    x: Array,
    w1: Array,
    b1: Array,
    w2: Array,
    b2: Array,
    approximate: bool,
    a: Array,
    slope: Array,
    y: Array,
) -> None:
    """Write a = GELU(x W₁ᵀ + b₁), its slope and y = a W₂ᵀ + b₂ for some rows.

    Without rows, a slope is not wanted; an empty bias is none.
    """
    differentiable = len(slope) > 0
    h, unused = np.empty(a.shape[1], np.float32), np.empty(a.shape[1], np.float32)
    for start in range(0, len(x), ROWS):
        stop = min(start + ROWS, len(x))
        multiply(x[start:stop], w1.T, 0, a[start:stop])
        add_bias(a[start:stop], b1)
        for i in range(start, stop):
            h[:] = a[i]
            dydx = slope[i] if differentiable else unused
            if approximate:
                tanh_into(h, a[i], dydx, differentiable)
            else:
                exact_into(h, a[i], dydx, differentiable)
        multiply(a[start:stop], w2.T, 0, y[start:stop])
        add_bias(y[start:stop], b2)


@cached_njit(**HOW)
def backward(
    dy: Array,
    x: Array,
    a: Array,
    slope: Array,
    w1: Array,
    w2: Array,
    share: float,
    dw1: Array,
    db1: Array,
    dw2: Array,
    db2: Array,
    dx: Array,
) -> None:
    """Write dx for some rows, and set each gradient to its sum over them + share · itself."""
    dh = np.empty((min(ROWS, len(x)), a.shape[1]), np.float32)
    for start in range(0, len(x), ROWS):
        stop = min(start + ROWS, len(x))
        dy_rows, dh_rows = dy[start:stop], dh[: stop - start]
        multiply(dy_rows, w2, 0, dh_rows)
        for i in range(stop - start):
            dh_rows[i] *= slope[start + i]
        multiply(dy_rows.T, a[start:stop], share, dw2)
        multiply(dh_rows.T, x[start:stop], share, dw1)
        add_sums(dy_rows, share, db2)
        add_sums(dh_rows, share, db1)
        multiply(dh_rows, w1, 0, dx[start:stop])
        share = 1.0
