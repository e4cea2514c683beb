"""Find the matrix product of NumPy's own BLAS, without numba."""

import ctypes

import numpy as np

SYMBOL = "scipy_cblas_sgemm64_"  # in the OpenBLAS of NumPy's wheels; it takes 64-bit integers


def sgemm_address() -> int:
    """Return the address of the product of float32 matrices.

    Raises
    ------
    ImportError
        NumPy has another BLAS: built by conda, or on a Mac with Accelerate.
    """
    linked = getattr(np.linalg, "_umath_linalg", None)  # with the BLAS that NumPy has
    library = ctypes.CDLL(linked.__file__) if linked is not None else None
    if not hasattr(library, SYMBOL):
        raise ImportError(f"NumPy's BLAS has no {SYMBOL}")
    return ctypes.cast(getattr(library, SYMBOL), ctypes.c_void_p).value
