"""Scratch memory: temporaries that are reused from call to call, one set per thread.

The system clears new memory page by page, which for patches of 1 MB takes as long as filling them.
"""

import math
import threading

import numpy as np

from firstlight.support.array import Array

LINE = 64  # bytes of a cache line

_kept = threading.local()


def scratch(name: str, shape: tuple[int, ...], like: Array) -> Array:
    """Return an uninitialised array in the memory that this thread keeps under a name.

    Parameters
    ----------
    name : str
        Purpose. The array of an earlier call with this name is overwritten.
    shape : tuple of int
    like : array
        Sets the dtype and the device.

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
    if not isinstance(like, np.ndarray):  # CuPy has its own memory pool
        return np.empty_like(like, order="C", shape=shape)
    size = math.prod(shape)
    buffer = vars(_kept).get((name, like.dtype))
    if buffer is None or buffer.size < size:
        buffer = vars(_kept)[name, like.dtype] = _aligned(size, like.dtype)
    return buffer[:size].reshape(shape)


def _aligned(size, dtype):
    """Return an array that begins a cache line, so that no vector in it is in two of them."""
    memory = np.empty(size * dtype.itemsize + LINE, "uint8")
    start = -memory.ctypes.data % LINE
    return memory[start : start + size * dtype.itemsize].view(dtype)
