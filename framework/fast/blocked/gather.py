"""A batch from samples in memory, scaled."""

import numpy as np


def take_scaled(x, places, factor):
    """Return x[places] · factor as float32.

    Parameters
    ----------
    x : array, shape (N, ...)
        uint8 or float32.
    places : array of int, shape (n,)
    factor : float

    Examples
    --------
    >>> import numpy as np
    >>> take_scaled(np.array([[0], [10], [20]], "uint8"), np.array([2, 1]), 0.5)
    array([[10.],
           [ 5.]], dtype=float32)
    """
    batch = np.take(x, places, axis=0).astype("float32")
    batch *= factor
    return batch
