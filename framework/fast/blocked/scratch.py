"""Scratch memory: arrays that are written and read within one call, and need not be made anew.

Memory that is fresh from the system is handed over page by page, each one cleared first: for
patches of a megabyte that takes as long as filling them. Each thread keeps its own.
"""

import math
import threading

import numpy as np

from firstlight.support.array import Array

_kept = threading.local()


def scratch(name: str, shape: tuple[int, ...], like: Array) -> Array:
    """Return an uninitialised array, in memory that the same name had before in this thread.

    Parameters
    ----------
    name : str
        What it is for. What an earlier call with this name returned is overwritten.
    shape : tuple of int
    like : array
        Whose dtype, and device, it has.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.fast.blocked.scratch import scratch
    >>> x = np.zeros(3, "float32")
    >>> scratch("example", (2, 5), x).shape, np.shares_memory(
    ...     scratch("example", (2, 5), x), scratch("example", (4,), x)
    ... )
    ((2, 5), True)
    """
    if not isinstance(like, np.ndarray):  # CuPy has a pool of its own
        return np.empty_like(like, order="C", shape=shape)
    size = math.prod(shape)
    buffer = vars(_kept).get((name, like.dtype))
    if buffer is None or buffer.size < size:
        buffer = vars(_kept)[name, like.dtype] = np.empty(size, like.dtype)
    return buffer[:size].reshape(shape)
