"""BLAS for compiled functions: NumPy's own matrix product, called by its address.

A compiled loop that called Python for each product would need the GIL each time, and its threads
would wait for each other.
"""

import llvmlite.binding
import numpy as np
from numba import types

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.sgemm import SYMBOL, sgemm_address
from firstlight.support.array import Array

BY_ROWS, AS_IT_IS, TRANSPOSED = 101, 111, 112  # CBLAS' numbers

llvmlite.binding.add_symbol(SYMBOL, sgemm_address())

_flag, _size, _number, _matrix = (
    types.int32,
    types.int64,
    types.float32,
    types.CPointer(types.float32),
)
_operand = (_matrix, _size)
_sizes = (_flag, _flag, _flag, _size, _size, _size)
_sgemm = types.ExternalFunction(
    SYMBOL, types.void(*_sizes, _number, *_operand, *_operand, _number, *_operand)
)


@cached_njit()
def multiply(a: Array, b: Array, share: float, out: Array) -> None:
    """Set out (m, n) to a (m, k) b (k, n) + share · out.

    a and b are contiguous along one of their axes, out along its rows.
    """
    (m, k), n = a.shape, b.shape[1]
    form_a, step_a = _form(a)
    form_b, step_b = _form(b)
    step, one, share = max(out.strides[0] // out.itemsize, n), np.float32(1), np.float32(share)
    _sgemm(
        BY_ROWS, form_a, form_b, m, n, k,
        one, a.ctypes, step_a, b.ctypes, step_b, share, out.ctypes, step,
    )  # fmt: skip


@cached_njit()
def _form(matrix):
    """Return the transposition flag and the leading dimension of a matrix."""
    down, right = matrix.strides[0] // matrix.itemsize, matrix.strides[1] // matrix.itemsize
    if right == 1:
        return AS_IT_IS, max(down, matrix.shape[1])
    return TRANSPOSED, max(right, matrix.shape[0])
