"""BLAS threads: one for small networks, whose products are over before a second one is awake.

The threads of NumPy's BLAS wait for each other by spinning. With little to do, and all the more
where other processes want the cores, most of the time is spent so: training on digits took 1.4 s
with one thread and 21 s with two on two busy cores, and no less with two on idle ones.
"""

import os
from contextlib import nullcontext

SMALL = 20e6  # floating-point operations of a forward pass, roughly
CHOSEN = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS")


def blas_threads(module, batch_size):
    """Return a context in which BLAS has the threads that suit a network.

    Where the user has set one of the environment's variables for it, nothing is changed.

    Parameters
    ----------
    module : Module
    batch_size : int
        Samples in a batch; each parameter takes part in about one product for each.
    """
    operations = 2 * batch_size * sum(parameter.size for parameter in module.parameters())
    if operations > SMALL or any(name in os.environ for name in CHOSEN):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
