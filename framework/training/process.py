"""The threads of BLAS during a training, restored when it ends. A hand-written loop sets none."""

import os
from contextlib import AbstractContextManager, nullcontext
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
