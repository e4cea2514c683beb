"""A stand-in for CuPy on machines without a GPU, for the quick tests; the fake GPU has CuPy itself.

Its arrays refuse to become NumPy arrays by themselves, and to meet NumPy's arrays or scalars; each
lives on one of two devices; reductions give 0-d arrays; fresh memory is NaN. It counts how often
the host waits for the device, records what a stream captures and replays it with the numbers that
were current then, as a CUDA graph does. Kernels are run by the kernel checker; cuBLAS is NumPy
behind cuBLAS's own arguments, pointers and column-major order.

With ``pytest -p fake_gpu.plugin`` the same tests run on the real CuPy: `installed` and `counts` are
then the fake GPU's.
"""

import sys

import pytest

from standin.device import DEVICES

if "fake_gpu" in sys.modules:  # what the tests of the stand-in expect, of the real CuPy
    from fake_gpu.session import counts, installed
else:
    from standin.device import counts
    from standin.module import installed

own = pytest.mark.skipif(
    "fake_gpu" in sys.modules, reason="asks the stand-in what nobody can ask CuPy or a GPU"
)

__all__ = ["DEVICES", "counts", "installed", "own"]
