"""MultiHeadAttention on a GPU: products by cuBLAS, and softmax with dropout in one kernel."""

import math
from typing import Any

import numpy as np

from firstlight.fast.blocked.attention import BlockedAttention
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.dropout import philox_arguments
from firstlight.fast.cuda.gemm import Addresses, matmul, rounded
from firstlight.fast.cuda.kernel import launch_rows
from firstlight.fast.cuda.linear import CudaLinear
from firstlight.nn.attention import MultiHeadAttention
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(MultiHeadAttention, when=[gpu_float])
class CudaAttention(BlockedAttention):
    """Convert the scores of all heads to weights in one kernel; backward recomputes them."""

    linear = CudaLinear

    @staticmethod
    def draw_seeds(x: Array) -> Any:
        return randomness.device_key(x)

    @staticmethod
    def attend(q: Array, k: Array, v: Array, y: Array, **options: Any) -> Array:
        q, k, v = map(rounded, (q, k, v))
        scores = np.empty_like(y, order="C", shape=(*q.shape[:3], k.shape[2]))  # (N, H, T, S)
        at = Addresses(q, k, v, y, scores)
        matmul(q, k.swapaxes(-1, -2), out=scores, addresses=at)
        lse = np.empty_like(y, shape=(*q.shape[:3], 1))
        extra = _softmax_arguments(q, k, lse, **options)
        launch_rows("attention", "softmax_rows", lse, lse.size, k.shape[2], scores, lse, *extra)
        matmul(scores, v, out=y, addresses=at)
        return lse

    @staticmethod
    def attend_backward(
        dy: Array,
        q: Array,
        k: Array,
        v: Array,
        y: Array,
        lse: Array,
        dq: Array,
        dk: Array,
        dv: Array,
        **options: Any,
    ) -> None:
        q, k, v, dy = map(rounded, (q, k, v, dy))
        scores, dp = np.empty_like(dq, order="C", shape=(2, *q.shape[:3], k.shape[2]))
        at = Addresses(q, k, v, dy, dq, dk, dv, scores, dp)
        matmul(q, k.swapaxes(-1, -2), out=scores, addresses=at)  # (N, H, T, S)
        matmul(dy, v.swapaxes(-1, -2), out=dp, addresses=at)  # (N, H, T, S)
        extra = _softmax_arguments(q, k, lse, **options)
        arguments = (lse.size, k.shape[2], scores, dp, lse, *extra)
        launch_rows("attention", "softmax_rows_backward", lse, *arguments)
        dp = rounded(dp)
        matmul(scores.swapaxes(-1, -2), dy, out=dv, addresses=at)
        matmul(dp, k, out=dq, addresses=at)
        matmul(dp.swapaxes(-1, -2), q, out=dk, addresses=at)


def _softmax_arguments(q, k, unused, *, bias=None, causal=False, dropout=0.0, seeds=None):
    heads, queries, keys = q.shape[1], q.shape[2], k.shape[2]
    has_bias, strides = int(bias is not None), (0, 0)
    if has_bias:
        bias = contiguous(bias.astype(unused.dtype, copy=False))
        strides = [s // bias.itemsize if n > 1 else 0 for s, n in zip(
            bias.strides[:2], bias.shape[:2], strict=True)]  # fmt: skip
    shape = (len(q), heads, queries, keys)
    scale, rows = float(q.shape[3] ** -0.5), math.prod(shape[:3])
    sizes = (scale, rows, heads, queries, keys, int(causal), has_bias, *strides)
    drawing = philox_arguments(dropout, seeds, shape, unused)
    return (bias if has_bias else unused, *sizes, *drawing)
