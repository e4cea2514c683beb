"""cuBLAS as its documentation has it: column-major products of what pointers point to."""

import ctypes

import numpy as np

from standin.device import counts

TYPES = {0: np.float32, 1: np.float64, 2: np.float16}
COMPUTE = {68: np.float32, 70: np.float64, 75: np.float32, 77: np.float32}


class Library:
    """The few functions that are used; each returns 0, or the status of a bad argument."""

    def __init__(self):
        self.streams, self.workspaces, self.calls = {}, {}, []

    def cublasCreate_v2(self, handle):  # noqa: N802
        handle._obj.value = 1000 + len(self.streams)
        self.streams[handle._obj.value] = None
        return 0

    def cublasSetStream_v2(self, handle, stream):  # noqa: N802
        self.streams[handle.value] = stream.value
        self.workspaces.pop(handle.value, None)  # "unconditionally resets the workspace"
        return 0

    def cublasSetWorkspace_v2(self, handle, pointer, size):  # noqa: N802
        self.workspaces[handle.value] = (pointer.value, size.value)
        return 0

    def cublasGemmEx(self, handle, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct,  # noqa: N802
                     ldc, compute, algo):  # fmt: skip
        none = ctypes.c_longlong(0)
        return self.cublasGemmStridedBatchedEx(
            handle, ta, tb, m, n, k, alpha, a, at, lda, none, b, bt, ldb, none, beta, c, ct, ldc,
            none, 1, compute, algo,
        )  # fmt: skip

    def cublasGemmStridedBatchedEx(  # noqa: N802
        self, handle, ta, tb, m, n, k, alpha, a, at, lda, sa, b, bt, ldb, sb, beta, c, ct, ldc, sc,
        count, compute, algo,
    ):  # fmt: skip
        def matrices():
            steps = [step.value * np.dtype(TYPES[kind]).itemsize
                     for step, kind in ((sa, at), (sb, bt), (sc, ct))]  # fmt: skip
            for index in range(count):
                yield [p.value + index * step for p, step in zip((a, b, c), steps, strict=True)]

        return self._multiply(
            matrices, handle, ta, tb, m, n, k, alpha, at, lda, bt, ldb, beta, ct, ldc, count,
            compute, algo,
        )  # fmt: skip

    def _multiply(
        self, matrices, handle, ta, tb, m, n, k, alpha, at, lda, bt, ldb, beta, ct, ldc, count,
        compute, algo,
    ):  # fmt: skip
        if handle.value not in self.workspaces:
            return 1  # a capture would insert allocations
        if COMPUTE[compute] != TYPES[ct] or algo != -1:
            return 7
        if at != bt or (at, ct, compute) not in {(ct, ct, compute), (2, 0, 68)}:
            return 7
        rows_a, rows_b = (k if ta else m), (n if tb else k)
        if lda < max(1, rows_a) or ldb < max(1, rows_b) or ldc < max(1, m):
            return 7
        scale, old = alpha._obj.value, beta._obj.value
        self.calls.append((m, n, k, count))

        def multiply():
            for a, b, c in matrices():
                left = columns(a, rows_a, m if ta else k, lda, TYPES[at])
                right = columns(b, rows_b, k if tb else n, ldb, TYPES[bt])
                out = columns(c, m, n, ldc, TYPES[ct])
                left, right = left.astype(TYPES[ct]), right.astype(TYPES[ct])
                with np.errstate(all="ignore"):  # as a device does
                    product = (left.T if ta else left) @ (right.T if tb else right)
                    out[...] = scale * product + (old * out if old else 0)

        counts.act(multiply)
        return 0


def columns(address, rows, cols, ld, dtype):
    """View column-major memory as (rows, cols)."""
    size = ((cols - 1) * ld + rows) * np.dtype(dtype).itemsize
    raw = (ctypes.c_char * size).from_address(address)
    flat = np.frombuffer(raw, dtype)
    return np.lib.stride_tricks.as_strided(
        flat, (rows, cols), (flat.itemsize, ld * flat.itemsize), writeable=True
    )
