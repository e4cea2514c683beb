"""LayerNorm's passes over a row as two loops each; see `firstlight.fast.blocked.layernorm`."""

import math

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

GROUP = 32  # rows
ADD_IN_ANY_ORDER = {"contract", "reassoc", "nsz"}  # sums in the lanes of a vector


def normalise(
    x: Array,
    x_hat: Array,
    rstd: Array,
    y: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
) -> None:
    """Write x̂, r and, with a weight, y for a block of rows."""
    none = np.empty(0, np.float32)
    w, b = (none if vector is None else vector for vector in (weight, bias))
    _normalise(x, x_hat, rstd, y, w, b, eps)


@cached_njit(error_model="numpy", fastmath=ADD_IN_ANY_ORDER)
def _normalise(x, x_hat, rstd, y, w, b, eps):
    n, width = x.shape
    for i in range(n):
        mean, square = np.float32(0), np.float32(0)
        for j in range(width):
            mean += x[i, j]
        mean /= np.float32(width)
        for j in range(width):
            d = x[i, j] - mean
            square += d * d
        r = np.float32(1 / math.sqrt(square / np.float32(width) + np.float32(eps)))
        for j in range(width):
            x_hat[i, j] = (x[i, j] - mean) * r
        if len(b):
            for j in range(width):
                y[i, j] = x_hat[i, j] * w[j] + b[j]
        elif len(w):
            for j in range(width):
                y[i, j] = x_hat[i, j] * w[j]
        rstd[i, 0] = r


@cached_njit(error_model="numpy", fastmath=ADD_IN_ANY_ORDER)
def differentiate(dy: Array, x_hat: Array, rstd: Array, w: Array, dx: Array) -> tuple[Array, Array]:
    """Write dx for a block of rows and return its contributions to dw and db."""
    n, width = dy.shape
    dw, db = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(0, n, GROUP):  # partial sums are more accurate
        group_dw, group_db = np.zeros(width, np.float32), np.zeros(width, np.float32)
        for i in range(start, min(start + GROUP, n)):
            shift, stretch = np.float32(0), np.float32(0)
            for j in range(width):
                g = dy[i, j] * w[j]
                shift += g
                stretch += g * x_hat[i, j]
                group_dw[j] += dy[i, j] * x_hat[i, j]
                group_db[j] += dy[i, j]
            shift /= np.float32(width)
            stretch /= np.float32(width)
            for j in range(width):
                dx[i, j] = (dy[i, j] * w[j] - shift - x_hat[i, j] * stretch) * rstd[i, 0]
        dw += group_dw
        db += group_db
    return dw, db
