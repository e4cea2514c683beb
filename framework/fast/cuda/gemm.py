"""Matrix products: NumPy's on the CPU, cuBLAS by ctypes on a GPU.

CuPy's own product cannot be captured into a CUDA graph, copies transposed operands of more than
two axes, and takes three times as long on the host. So the library that CuPy loads is called by
ctypes, with its own handle and workspace for each stream. If it is missing, CuPy's product is used,
without capture.

cuBLAS is column-major. Row-major C (m, n) is column-major Cᵀ = Bᵀ Aᵀ; so B is the first factor and
A the second, and a transposed matrix needs no copy, only another flag.
"""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight.support import half
from firstlight.support.array import Array
from firstlight.support.backend import load_cupy

TYPES = {"float16": 2, "bfloat16": 14, "float32": 0, "float64": 1}  # cudaDataType_t
COMPUTE = {"32": 68, "tf32": 77, "bf16": 75, "16": 68}  # cublasComputeType_t: 32F, FAST_TF32, ...
COMPUTE_64F = 70
DEFAULT_ALGORITHM = -1
WORKSPACE = 32 << 20  # bytes, NVIDIA's advice for Hopper

_state = {"precision": "32", "library": None, "handles": {}}


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Set the precision of float32 products on a GPU within the context.

    Parameters
    ----------
    name : {"32", "tf32", "bf16", "16"}
        Sums are float32 in all cases. "tf32" rounds the factors to 10 bits of fraction in the
        tensor cores. With "bf16" and "16", outputs of layers are stored as bfloat16 (7 bits) and
        float16, where values that are too large become infinite; weights are rounded to it.
    """
    before, _state["precision"] = _state["precision"], name
    try:
        with half.storing(half.dtype_of(name)):
            yield
    finally:
        _state["precision"] = before


def is_exact() -> bool:
    """Return True if products are not rounded, precision "32"."""
    return _state["precision"] == "32"


def rounded(x: Array) -> Array:
    """Return a factor; in half precision a copy, made once for several products."""
    if half.stored() is None or x.dtype != "float32":
        return x
    return x.astype(half.stored(), order="C" if x.ndim > 1 and _layout(x) is None else "K")


def matmul(
    a: Array,
    b: Array,
    out: Array | None = None,
    *,
    accumulate: bool = False,
    dtype: Any = None,
) -> Array:
    """Return a @ b.

    Parameters
    ----------
    a : array, shape (..., M, K)
    b : array, shape (..., K, N)
        One of the two may be a vector. Both may be the result of `rounded`.
    out : array, shape (..., M, N), optional
        Output.
    accumulate : bool
        Add the product to ``out`` instead of overwriting it.
    dtype : numpy.dtype, optional
        Of a new output; by default that of the factors, float32 if they are in half precision.

    Examples
    --------
    >>> import numpy as np
    >>> sums = np.ones((1, 2))
    >>> matmul(np.array([[1.0, 2.0]]), np.eye(2), out=sums, accumulate=True)
    array([[2., 3.]])
    """
    if not isinstance(a, np.ndarray) and a.dtype.name in TYPES and _library() is not None:
        if a.dtype != b.dtype or _state["precision"] == "16":
            a, b = rounded(a), rounded(b)
        return _on_device(a, b, out, accumulate, dtype)
    if accumulate:
        out += a @ b
        return out
    if out is None:
        return a @ b if dtype is None else (a @ b).astype(dtype, copy=False)
    return np.matmul(a, b, out=out)


def _on_device(a, b, out, accumulate, dtype):
    if a.ndim == 1 and b.ndim == 1:
        return _on_device(a[None], b[:, None], None, False, dtype).reshape(())
    if a.ndim == 1:
        return _on_device(a[None], b, None, False, dtype).reshape(*b.shape[:-2], b.shape[-1])
    if b.ndim == 1:
        return _on_device(a, b[:, None], None, False, dtype).reshape(a.shape[:-1])
    if a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        return np.matmul(a, b)  # for its message
    if b.ndim == 2 and a.ndim > 2 and out is None:  # all rows at once
        rows = _on_device(a.reshape(-1, a.shape[-1]), b, None, False, dtype)
        return rows.reshape(*a.shape[:-1], b.shape[1])
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    result = out
    if out is None or _layout(out) is None or _layout(out)[0]:
        if out is not None:
            dtype = out.dtype
        elif dtype is None:
            dtype = "float64" if a.dtype == "float64" else "float32"
        result = np.empty_like(a, order="C", shape=shape, dtype=dtype)
    added = accumulate and result is out
    if math.prod(shape) and a.shape[-1]:
        _gemm(*(_operand(x, batch) for x in (a, b)), result, shape, added)
    elif not added:
        result[...] = 0  # a sum of nothing
    if out is None or result is out:
        return result
    if accumulate:
        out += result
    else:
        out[...] = result
    return out


def _operand(x, batch):
    """Return x or a copy that cuBLAS can read, with its layout (see `_layout`)."""
    if x.ndim > 2 and x.shape[:-2] != batch:
        x = np.broadcast_to(x, (*batch, *x.shape[-2:])).copy()
    layout = _layout(x)
    if layout is None:
        x = x.copy()
        layout = _layout(x)
    return x, layout if x.ndim > 2 else (*layout[:2], 0)  # one matrix for all of a batch


def _layout(x):
    """Return ``(transposed, leading dimension, batch stride)`` in elements, or None."""
    *batch_strides, s0, s1 = [stride // x.itemsize for stride in x.strides]
    *batch, rows, columns = x.shape
    for axis in range(len(batch) - 1):
        if batch[axis] > 1 and batch_strides[axis] != batch_strides[axis + 1] * batch[axis + 1]:
            return None
    stride = batch_strides[-1] if batch else 0
    if (s1 == 1 or columns == 1) and (s0 >= columns or rows == 1) and s1 >= 0:
        return False, max(s0, columns) if rows > 1 else columns, stride
    if (s0 == 1 or rows == 1) and (s1 >= rows or columns == 1) and s0 >= 0:
        return True, max(s1, rows) if columns > 1 else rows, stride
    return None


def _gemm(left, right, out, shape, accumulate):
    (a, (a_turned, lda, a_stride)), (b, (b_turned, ldb, b_stride)) = left, right
    ldc = _layout(out)[1]
    factors, kind = TYPES[a.dtype.name], TYPES[out.dtype.name]
    number, compute = ctypes.c_double, COMPUTE_64F
    if kind != TYPES["float64"]:
        number = ctypes.c_float
        compute = COMPUTE[_state["precision"] if a.dtype == "float32" else "32"]
    one, beta = number(1), number(1 if accumulate else 0)
    arguments = [int(b_turned), int(a_turned), shape[-1], shape[-2], a.shape[-1]]
    b_at, a_at, c_at = (ctypes.c_void_p(x.data.ptr) for x in (b, a, out))
    library, handle, count = _library(), _handle(), math.prod(shape[:-2])
    if count == 1:
        status = library.cublasGemmEx(
            handle, *arguments, ctypes.byref(one), b_at, factors, ldb, a_at, factors, lda,
            ctypes.byref(beta), c_at, kind, ldc, compute, DEFAULT_ALGORITHM,
        )  # fmt: skip
    else:
        strides = b_stride, a_stride, _layout(out)[2]
        b_step, a_step, c_step = map(ctypes.c_longlong, strides)
        status = library.cublasGemmStridedBatchedEx(
            handle, *arguments, ctypes.byref(one), b_at, factors, ldb, b_step, a_at, factors, lda,
            a_step, ctypes.byref(beta), c_at, kind, ldc, c_step, count, compute,
            DEFAULT_ALGORITHM,
        )  # fmt: skip
    _check(status, f"product of {a.shape} and {b.shape}")


def _handle():
    """Return the handle of the current device and stream, with its own workspace."""
    cupy = load_cupy()
    stream = cupy.cuda.get_current_stream().ptr
    key = cupy.cuda.runtime.getDevice(), stream
    if key not in _state["handles"]:
        library, handle = _library(), ctypes.c_void_p()
        workspace = cupy.empty(WORKSPACE, "uint8")
        at, size = ctypes.c_void_p(workspace.data.ptr), ctypes.c_size_t(WORKSPACE)
        _check(library.cublasCreate_v2(ctypes.byref(handle)), "cublasCreate")
        # In this order: setting the stream removes the workspace.
        _check(library.cublasSetStream_v2(handle, ctypes.c_void_p(stream)), "cublasSetStream")
        _check(library.cublasSetWorkspace_v2(handle, at, size), "cublasSetWorkspace")
        _state["handles"][key] = handle, workspace
    return _state["handles"][key][0]


def _check(status, what):
    if status:
        raise RuntimeError(f"cuBLAS: {what} failed with status {status} (cublasStatus_t)")


def _library():
    if _state["library"] is None:
        try:
            _state["library"] = load_library()
        except Exception as error:  # no such wheel, no such file, no such symbol
            _state["library"], _state["problem"] = False, f"{type(error).__name__}: {error}"
    return _state["library"] or None


def load_library() -> ctypes.CDLL:
    """Return cuBLAS, the same file that CuPy uses."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
