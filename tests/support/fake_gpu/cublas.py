"""cuBLAS as its documentation has it: column-major products of what pointers point to."""

import ctypes
from itertools import count

import numpy as np
from ml_dtypes import bfloat16

from fake_gpu.binding import Int, Long, Pointer, Size, stands_for, write
from fake_gpu.errors import refuse
from fake_gpu.memory import on_device
from fake_gpu.recording import record
from fake_gpu.streams import counts, stream_of

TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 14: bfloat16}  # cudaDataType_t
HALVES = {2: "half", 14: "bf16"}
SINGLE, PEDANTIC, DOUBLE, BF16, TF32 = 68, 69, 70, 75, 77  # cublasComputeType_t
SUMS = {SINGLE: 0, PEDANTIC: 0, BF16: 0, TF32: 0, DOUBLE: 1}  # type of the sums
FRACTION = {BF16: 7, TF32: 10}  # bits that factors are rounded to
ROUNDING = {BF16: "bf16", TF32: "tf32"}
ALGORITHMS = -1, 99  # default, default with tensor cores
INVALID, NOT_SUPPORTED, ON_DEVICE = 7, 15, 1
WORKSPACE_ALIGNMENT = 256
_handles = {}
_numbers = count(1)


class Handle:
    """A handle's stream, workspace and modes."""

    def __init__(self) -> None:
        self.stream, self.workspace, self.scalars, self.math = 0, None, 0, 0


@stands_for
def cublasCreate_v2(at: Pointer):
    number = next(_numbers)
    _handles[number] = Handle()
    write(Pointer, at, number)


@stands_for
def cublasDestroy_v2(handle: Pointer):
    del _handles[handle]


@stands_for
def cublasGetVersion_v2(handle: Pointer, at: Pointer):
    write(Int, at, 130101)


@stands_for
def cublasSetStream_v2(handle: Pointer, stream: Pointer):
    _handles[handle].stream = stream
    _handles[handle].workspace = None  # "unconditionally resets the workspace"


@stands_for
def cublasGetStream_v2(handle: Pointer, at: Pointer):
    write(Pointer, at, _handles[handle].stream)


@stands_for
def cublasSetWorkspace_v2(handle: Pointer, at: Pointer, size: Size):
    if at % WORKSPACE_ALIGNMENT or not on_device(at, size):
        refuse(INVALID)
    _handles[handle].workspace = at


@stands_for
def cublasSetPointerMode_v2(handle: Pointer, mode: Int):
    _handles[handle].scalars = mode


@stands_for
def cublasGetPointerMode_v2(handle: Pointer, at: Pointer):
    write(Int, at, _handles[handle].scalars)


@stands_for
def cublasSetMathMode(handle: Pointer, mode: Int):
    _handles[handle].math = mode


@stands_for
def cublasGetMathMode(handle: Pointer, at: Pointer):
    write(Int, at, _handles[handle].math)


class Matrix:
    """One operand: a column-major matrix, or its transpose."""

    def __init__(self, kind: int, rows: int, columns: int, ld: int, turned: int) -> None:
        self.turned, self.dtype, self.ld = turned, np.dtype(TYPES[kind]), ld
        self.rows, self.columns = (columns, rows) if turned else (rows, columns)
        if ld < max(1, self.rows):
            refuse(INVALID)

    def at(self, address: int) -> np.ndarray:
        """View the memory at an address."""
        size = ((self.columns - 1) * self.ld + self.rows) * self.dtype.itemsize
        if not on_device(address, size):
            refuse(INVALID)
        flat = np.frombuffer((ctypes.c_char * size).from_address(address), self.dtype)
        strides = flat.itemsize, self.ld * flat.itemsize
        shape = self.rows, self.columns
        seen = np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=True)
        return seen.T if self.turned else seen


def rounded(factor: np.ndarray, compute: int, dtype: type) -> np.ndarray:
    """Return a factor as the tensor cores read it."""
    factor = factor.astype(dtype)
    if compute in FRACTION:
        dropped = 23 - FRACTION[compute]
        bits = factor.view("uint32")
        even = (bits >> dropped) & 1
        bits = (bits + ((1 << (dropped - 1)) - 1 + even)) & ~np.uint32((1 << dropped) - 1)
        factor = np.where(np.isfinite(factor), bits.view("float32"), factor)
    return factor


def _multiply(handle, turned, size, batch, kinds, lds, alpha, beta, places, compute, algorithm):
    """Check a product's arguments, and put it on the handle's stream.

    ``places()`` gives the addresses of the matrices of each product, when it is computed.
    """
    handle = _handles[handle]
    (ta, tb), (m, n, k), (at, bt, ct) = turned, size, kinds
    if handle.scalars == ON_DEVICE or algorithm not in ALGORITHMS:
        refuse(INVALID)
    half = HALVES.get(at) if compute == SINGLE else None
    if at != bt or SUMS.get(compute) != (ct == 1) or ct not in ((at, 0) if half else (at,)):
        refuse(NOT_SUPPORTED)
    a, b = Matrix(at, m, k, lds[0], ta), Matrix(bt, k, n, lds[1], tb)
    c = Matrix(ct, m, n, lds[2], 0)
    number = ctypes.c_double if ct == 1 else ctypes.c_float
    scale, old = number.from_address(alpha).value, number.from_address(beta).value

    def multiply():
        for left, right, out in places():
            out = c.at(out)
            factors = a.at(left), b.at(right)
            left, right = (rounded(x, compute, "f8" if ct == 1 else "f4") for x in factors)
            with np.errstate(all="ignore"):  # as a device does
                out[...] = scale * (left @ right) + (old * out.astype(left.dtype) if old else 0)

    if m and n and batch:
        counts["launches"] += 1
        written = m * n * (2 if old else 1) * c.dtype.itemsize
        moved = batch * (written + (m * k + k * n) * a.dtype.itemsize)
        rounding = half or ROUNDING.get(compute, "")
        record("product", moved, 2 * batch * m * n * k, rounding)
        stream_of(handle.stream).put("kernel gemm", multiply)


@stands_for
def cublasGemmStridedBatchedEx(
    handle: Pointer, ta: Int, tb: Int, m: Int, n: Int, k: Int, alpha: Pointer, a: Pointer, at: Int,
    lda: Int, sa: Long, b: Pointer, bt: Int, ldb: Int, sb: Long, beta: Pointer, c: Pointer, ct: Int,
    ldc: Int, sc: Long, batch: Int, compute: Int, algorithm: Int,
):  # fmt: skip
    steps = [step * np.dtype(TYPES[kind]).itemsize for step, kind in ((sa, at), (sb, bt), (sc, ct))]

    def places():
        for index in range(batch):
            yield [x + index * step for x, step in zip((a, b, c), steps, strict=True)]

    size, kinds, lds = (m, n, k), (at, bt, ct), (lda, ldb, ldc)
    _multiply(handle, (ta, tb), size, batch, kinds, lds, alpha, beta, places, compute, algorithm)


@stands_for
def cublasGemmBatchedEx(
    handle: Pointer, ta: Int, tb: Int, m: Int, n: Int, k: Int, alpha: Pointer, a: Pointer, at: Int,
    lda: Int, b: Pointer, bt: Int, ldb: Int, beta: Pointer, c: Pointer, ct: Int, ldc: Int,
    batch: Int, compute: Int, algorithm: Int,
):  # fmt: skip
    def places():
        tables = [(ctypes.c_longlong * batch).from_address(x) for x in (a, b, c)]
        if compute in FRACTION and any(place % 16 for table in tables for place in table):
            refuse(NOT_SUPPORTED)
        return zip(*tables, strict=True)

    size, kinds, lds = (m, n, k), (at, bt, ct), (lda, ldb, ldc)
    _multiply(handle, (ta, tb), size, batch, kinds, lds, alpha, beta, places, compute, algorithm)


@stands_for
def cublasGemmEx(
    handle: Pointer, ta: Int, tb: Int, m: Int, n: Int, k: Int, alpha: Pointer, a: Pointer, at: Int,
    lda: Int, b: Pointer, bt: Int, ldb: Int, beta: Pointer, c: Pointer, ct: Int, ldc: Int,
    compute: Int, algorithm: Int,
):  # fmt: skip
    size, kinds, lds = (m, n, k), (at, bt, ct), (lda, ldb, ldc)
    places = lambda: [(a, b, c)]  # noqa: E731
    _multiply(handle, (ta, tb), size, 1, kinds, lds, alpha, beta, places, compute, algorithm)


def _of_one_type(letter, kind, compute):
    """Put functions in the places of the products of one type only, alone and by addresses."""

    def gemm(
        handle: Pointer, ta: Int, tb: Int, m: Int, n: Int, k: Int, alpha: Pointer, a: Pointer,
        lda: Int, b: Pointer, ldb: Int, beta: Pointer, c: Pointer, ldc: Int,
    ):  # fmt: skip
        cublasGemmEx(
            handle, ta, tb, m, n, k, alpha, a, kind, lda, b, kind, ldb, beta, c, kind, ldc, compute,
            ALGORITHMS[0],
        )  # fmt: skip

    def batched(
        handle: Pointer, ta: Int, tb: Int, m: Int, n: Int, k: Int, alpha: Pointer, a: Pointer,
        lda: Int, b: Pointer, ldb: Int, beta: Pointer, c: Pointer, ldc: Int, batch: Int,
    ):  # fmt: skip
        cublasGemmBatchedEx(
            handle, ta, tb, m, n, k, alpha, a, kind, lda, b, kind, ldb, beta, c, kind, ldc, batch,
            compute, ALGORITHMS[0],
        )  # fmt: skip

    gemm.__name__, batched.__name__ = f"cublas{letter}gemm_v2", f"cublas{letter}gemmBatched"
    stands_for(gemm)
    stands_for(batched)


_of_one_type("S", 0, SINGLE)
_of_one_type("D", 1, DOUBLE)
