"""Process settings during a training: memory kept by malloc, and threads of BLAS.

Both are restored when the training ends. A hand-written loop does not set them.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight.module import Module

SMALL = 20e6  # floating-point operations of a forward pass, roughly
PIXELS = 100  # lower estimate of the positions at which a convolution applies its kernels
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 32 * 2**20  # bytes; glibc's maximum
KEPT = 2**30  # bytes

_trainings = 0  # running in all threads; the last one to end restores the settings


def blas_threads(module: "Module", batch_size: int) -> AbstractContextManager[Any]:
    """Return a context in which BLAS has one thread for a small network.

    Products of a small network end before a second thread is awake, and BLAS threads wait for each
    other by spinning. On two cores with two busy processes, a training on digits takes 34 s with
    two threads and 2.7 s with one. If one of `THREAD_VARIABLES` is set, nothing changes.

    Parameters
    ----------
    module : Module
    batch_size : int
        Samples in a batch. For each sample, a parameter takes part in about one product, and a
        convolution's kernel in one for each pixel.
    """
    products = sum(p.size * (PIXELS if p.data.ndim == 4 else 1) for p in module.parameters())
    operations = 2 * batch_size * products
    if operations > SMALL or any(name in os.environ for name in THREAD_VARIABLES):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


@contextmanager
def kept_memory() -> Iterator[None]:
    """Make glibc keep the memory that NumPy frees, for the arrays of the next step.

    A step frees its activations. By default glibc returns large arrays to the system, and the next
    step gets them back page by page, zeroed: a sixth of the time of a small GPT's step. In this
    context arrays of up to 32 MB come from the heap, which keeps up to 1 GB of free memory.

    glibc's previous thresholds cannot be read. At the end they are set to the values that glibc
    reaches by itself after an array of 32 MB was freed (``M_TRIM_THRESHOLD`` is then 64 MB), and
    free memory is returned to the system. Without glibc, or if a variable MALLOC_... is set,
    nothing changes.
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
