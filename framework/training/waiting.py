"""Waiting threads: how long those of NumPy's BLAS look for more work before they sleep.

OpenBLAS has them look for 2²⁶ ticks of the processor's clock, some 30 ms, on cores that the
threads of `firstlight.fast.blocked.parallel`, and other processes, want meanwhile. 2²⁰ ticks, 0.4
ms, serve products that follow each other closely as well.

OpenBLAS reads the number when NumPy is first imported, and never again. So firstlight imports
NumPy here, before anything else. A script that imports NumPy before firstlight keeps the 30 ms,
unless it is run with OPENBLAS_THREAD_TIMEOUT=20; what the user has set there stays.
"""

import os
import sys

SETTING = "OPENBLAS_THREAD_TIMEOUT"  # the power of two
TIMEOUT = "20"

if "numpy" not in sys.modules and SETTING not in os.environ:
    os.environ[SETTING] = TIMEOUT
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[SETTING]
