"""Sums of squares, for norms: in double precision, where no square is too large or small."""

import numpy as np

BLOCK = 131_072
SMALL = 1e-30  # below it, squares of single precision may have vanished


def sum_of_squares(x):
    """Return Σ x² in float64, a 0-d array.

    BLAS' product in x's own precision is the fastest, and nearly always enough.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.full(2, 1e20, "float32")
    >>> print(np.vdot(x, x), f"{sum_of_squares(x):.4g}")
    inf 2e+40
    """
    if not isinstance(x, np.ndarray):  # on a GPU, of a dtype that our kernels do not take
        x = x.astype("float64")
        return np.vdot(x, x)
    total = np.float64(0 if x.dtype == "float16" else np.vdot(x, x))
    if x.dtype == "float64" or SMALL < total < np.inf:
        return total
    blocks = (x[i : i + BLOCK].astype("float64") for i in range(0, len(x), BLOCK))
    return sum((np.vdot(block, block) for block in blocks), np.float64(0))
