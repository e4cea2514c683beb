"""What keeps half-precision gradients in range; see `firstlight.fast.cuda.loss_scale`.

The counts are three integers beside the gradient, where a GPU decides without the host:
whether this step's gradient is bad (not finite), how many good ones there were since the scale
last changed, and how many bad ones since the host last asked.
"""

import numpy as np

BAD, GOOD, SKIPPED = range(3)
GROWTH_INTERVAL = 2000  # good steps


def unscale(g, scale, counts):
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


def next_scale(scale, counts, interval=GROWTH_INTERVAL):
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
