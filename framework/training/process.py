"""Settings of the process during a training: freed memory is kept, BLAS gets suitable threads.

Both are set when a training starts and set back when it ends. A hand-written loop goes without.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight.module import Module

SMALL = 20e6  # floating-point operations of a forward pass, roughly
PIXELS = 100  # of an image, at each of which a convolution's kernels are used; 28 × 28 has more
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 32 * 2**20  # what glibc allows
KEPT = 2**30

_trainings = 0  # under way, also in other threads: the last to end sets memory back


def blas_threads(module: "Module", batch_size: int) -> AbstractContextManager[Any]:
    """Return a context in which BLAS has one thread for a small network.

    Its products are over before a second thread is awake, and BLAS threads wait for each other by
    spinning: on two cores with two busy processes, a training on digits takes 34 s with two
    threads and 2.7 s with one. If the user has set one of the environment's variables for it,
    nothing changes.

    Parameters
    ----------
    module : Module
    batch_size : int
        Samples in a batch; each parameter takes part in about one product for each, and each
        kernel of a convolution in one for each pixel.
    """
    products = sum(p.size * (PIXELS if p.data.ndim == 4 else 1) for p in module.parameters())
    operations = 2 * batch_size * products
    if operations > SMALL or any(name in os.environ for name in THREAD_VARIABLES):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


@contextmanager
def kept_memory() -> Iterator[None]:
    """Have glibc keep the memory that NumPy frees, for the arrays of the next step.

    A step frees its activations. glibc returns large ones to the system at once, and the next step
    gets them page by page, zeroed: a sixth of the time of a small GPT's step. Here arrays of up to
    32 MB come from the heap, up to 1 GB of whose free end is kept.

    glibc does not tell its thresholds. At the end they are those that it reaches by itself once an
    array of 32 MB has been freed (``M_TRIM_THRESHOLD`` is then 64 MB), and what is free returns
    to the system. Nothing changes without glibc, or if the user has set MALLOC_....
    """
    global _trainings
    libc = _glibc()
    if libc is not None and _trainings == 0:
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, KEPT)
    _trainings += 1
    try:
        yield
    finally:
        _trainings -= 1
        if libc is not None and _trainings == 0:
            libc.mallopt(TRIM_THRESHOLD, 2 * LARGEST)
            libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name != "posix" or any(n.startswith(("MALLOC_", "GLIBC_TUNABLES")) for n in os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
