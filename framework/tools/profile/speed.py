"""The speed of a large matrix product: what a machine reaches at best."""

from typing import Any

import numpy as np

from firstlight.support.backend import load_cupy
from firstlight.tools.profile.clocks import clock_of

SIZES = {"cpu": 1024, "cuda": 8192}  # rows of the square matrices
TRIES = 10


def product_speed(device: str = "cpu", dtype: Any = "float32", *, size: int | None = None) -> float:
    """Return the operations per second of a matrix product, the fastest of ten.

    BLAS has as many threads as the process allows it.

    Parameters
    ----------
    device : str
        "cpu", or "cuda:N", which must be the current device.
    dtype : dtype
    size : int, optional
        Rows of the square matrices: 1,024 on the CPU, 8,192 on a GPU.

    Examples
    --------
    >>> from firstlight.tools.profile import product_speed
    >>> product_speed(size=64) > 0
    True
    """
    kind = device.partition(":")[0]
    n = size or SIZES[kind]
    xp = np if kind == "cpu" else load_cupy()
    a, b = xp.full((n, n), 0.5, dtype), xp.full((n, n), 0.25, dtype)
    clock, best = clock_of(device), float("inf")
    a @ b  # wakes threads, loads kernels
    for _ in range(TRIES):
        start = clock.mark()
        a @ b
        best = min(best, clock.seconds([start, clock.mark()])[1])
    return 2 * n**3 / best
