"""A model's flat gradient: its norm, and the loss scale of half precision.

`unscale` and `next_scale` keep three int32 counters beside the gradient, so that a GPU decides
without the host (`firstlight.fast.cuda.loss_scale`): whether this step's gradient is bad (not
finite), good steps since the scale last changed, and bad steps since the host last asked.
"""

import numpy as np

from firstlight.support.array import Array

BLOCK = 131_072
SMALL = 1e-30  # below it, squares of single precision may have vanished
BAD, GOOD, SKIPPED = range(3)
GROWTH_INTERVAL = 2000  # good steps


def sum_of_squares(x: Array) -> Array | np.float64:
    """Return Σ x² in float64, a 0-d array.

    BLAS' product in the precision of x is the fastest, and nearly always enough. Where its result
    overflows or is tiny, the sum is made again in float64.

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


def unscale(g: Array, scale: Array, counts: Array) -> None:
    """Divide a gradient by the scale, in place, and note whether it is finite.

    Examples
    --------
    >>> import numpy as np
    >>> g, counts = np.array([8.0, np.inf]), np.zeros(3, "int32")
    >>> unscale(g, np.array(4.0), counts)
    >>> g, counts
    (array([ 2., inf]), array([1, 0, 0], dtype=int32))
    """
    g *= 1 / scale
    counts[BAD] = ~np.isfinite(g).all()


def next_scale(scale: Array, counts: Array, interval: int = GROWTH_INTERVAL) -> None:
    """Halve the scale after a bad step, double it after ``interval`` good ones in a row.

    Examples
    --------
    >>> import numpy as np
    >>> scale, counts = np.array(4.0), np.array([1, 7, 0], "int32")
    >>> next_scale(scale, counts)
    >>> scale, counts
    (array(2.), array([0, 0, 1], dtype=int32))
    """
    bad = counts[BAD] != 0
    good = np.where(bad, 0, counts[GOOD] + 1)
    grows = (good == interval) & np.isfinite(2 * scale)
    scale[...] = np.where(bad, 0.5 * scale, np.where(grows, 2 * scale, scale))
    counts[GOOD] = np.where(good == interval, 0, good)
    counts[SKIPPED] += bad
    counts[BAD] = 0
