"""Waiting threads: how long those of NumPy's BLAS look for more work before they sleep.

OpenBLAS has them look for 2²⁶ ticks of the processor's clock, some 30 ms, on cores that the
threads of `firstlight.ops.parallel` want meanwhile. With 2²⁰, 0.4 ms, a step of the CNN took 44
instead of 62 ms, and one of an MLP, whose products follow each other closely, as long as before.
"""

import ctypes
import os

import numpy as np

SETTING = "OPENBLAS_THREAD_TIMEOUT"  # the power of two
TIMEOUT = "20"


def shorten_waiting():
    """Start OpenBLAS' threads again with a shorter wait; with another BLAS, nothing.

    Nor where the user has set OPENBLAS_THREAD_TIMEOUT, which OpenBLAS reads only when NumPy is
    first imported.
    """
    if os.name != "posix" or SETTING in os.environ:
        return
    linked = getattr(np.linalg, "_umath_linalg", None)  # with the BLAS that NumPy has
    if linked is None:
        return
    blas = ctypes.CDLL(linked.__file__)
    if not hasattr(blas, "openblas_read_env") or not hasattr(blas, "blas_thread_shutdown_"):
        return
    os.environ[SETTING] = TIMEOUT
    blas.openblas_read_env()
    del os.environ[SETTING]
    blas.blas_thread_shutdown_()  # the next product starts them anew
