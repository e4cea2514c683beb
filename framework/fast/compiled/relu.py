"""ReLU and its gradient, a loop each; NaN stays NaN."""

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

ZERO = np.float32(0)


@cached_njit(error_model="numpy")
def positive_part(y: Array, x: Array) -> None:
    """Write x where it is positive, else 0."""
    for i in range(x.size):
        y[i] = ZERO if x[i] <= ZERO else x[i]


@cached_njit(error_model="numpy")
def where_positive(dx: Array, y: Array, dy: Array) -> None:
    """Write dy where y is positive, else 0."""
    for i in range(y.size):
        dx[i] = ZERO if y[i] <= ZERO else dy[i]
