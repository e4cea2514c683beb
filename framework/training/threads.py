"""BLAS threads: one for small networks, whose products are over before a second one is awake.

The threads of NumPy's BLAS wait for each other by spinning. Where other processes want the cores,
most of the time goes into that: on two cores with two busy processes, training on digits took
34 s with two threads and 2.7 s with one; on idle cores 1.7 s with either.
"""

import os
from contextlib import nullcontext

SMALL = 20e6  # floating-point operations of a forward pass, roughly
PIXELS = 100  # of an image, at each of which a convolution's kernels are used; 28 × 28 has more
CHOSEN = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS")


def blas_threads(module, batch_size):
    """Return a context in which BLAS has the threads that suit a network.

    Where the user has set one of the environment's variables for it, nothing is changed.

    Parameters
    ----------
    module : Module
    batch_size : int
        Samples in a batch; each parameter takes part in about one product for each, and each
        kernel of a convolution in one for each pixel.
    """
    products = sum(p.size * (PIXELS if p.data.ndim == 4 else 1) for p in module.parameters())
    operations = 2 * batch_size * products
    if operations > SMALL or any(name in os.environ for name in CHOSEN):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
