"""CrossEntropyLoss on a GPU: one kernel for each pass over the logits."""

from typing import Any

import numpy as np

from firstlight.fast.blocked.cross_entropy import BlockedCrossEntropy
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.gemm import matmul
from firstlight.fast.cuda.kernel import launch
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(CrossEntropyLoss, when=[gpu_float])
class CudaCrossEntropy(BlockedCrossEntropy):
    """Compute the parts of softmax, and dx for labels without smoothing, in kernels."""

    @staticmethod
    def parts(
        x: Array, t: Array, counted: Array, b: Array | None
    ) -> tuple[Array, Array, Array, Array, Array | None]:
        x, t = contiguous(x), t.astype("int64", copy=False)
        e, vectors = np.empty_like(x), np.empty_like(x, shape=(3, len(x)))
        s, log_s, x_t = vectors
        if x.size:
            arguments = (x, t, counted, e, s, log_s, x_t, x.shape[1])
            launch("cross_entropy", "softmax_parts", x, len(x), *arguments)
        b_x = None
        if b is not None:
            counts = counted[:, None] & (b != 0)  # (N, C)  0 · (-inf) is 0
            b_x = matmul(np.where(counts, x - x.max(axis=1, keepdims=True), 0), b)
        return e, s, log_s, x_t, b_x

    @staticmethod
    def parts_dx(e: Array, s: Array, t: Array, a: Array, scale: Any) -> Array:
        on_device = np.empty_like(e, shape=(1,))
        on_device[...] = scale
        if e.size:
            arguments = (e, s, t.astype("int64", copy=False), a, on_device, e.shape[1])
            launch("cross_entropy", "softmax_parts_dx", e, len(e), *arguments)
        return e
