"""A whole attention layer for some samples: projections, heads and output in one compiled call."""

import numpy as np

from firstlight.fast.compiled.attention import attend_heads, attend_heads_backward
from firstlight.fast.compiled.blas import multiply
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.rows import add_bias, add_sums
from firstlight.support.array import Array

ROWS = 128  # at least, in a block of samples
HOW = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


@cached_njit(**HOW)
def forward(
    x: Array,
    w_in: Array,
    b_in: Array,
    w_out: Array,
    b_out: Array,
    causal: bool,
    qkv: Array,
    y: Array,
    lse: Array,
    out: Array,
) -> None:
    """Write qkv, y, lse and the output of the layer; an empty bias is none."""
    count, queries, width = x.shape
    block = max(1, ROWS // max(queries, 1))
    for start in range(0, count, block):
        stop = min(start + block, count)
        rows = (stop - start) * queries
        projected = qkv[start:stop].reshape(rows, 3 * width)
        multiply(x[start:stop].reshape(rows, width), w_in.T, 0, projected)
        add_bias(projected, b_in)
        q, k, v = _split(qkv[start:stop], lse.shape[1])
        merged = y[start:stop]
        size = width // lse.shape[1]
        each = merged.reshape(stop - start, queries, lse.shape[1], size).transpose(0, 2, 1, 3)
        attend_heads(q, k, v, each, lse[start:stop], causal)
        result = out[start:stop].reshape(rows, width)
        multiply(merged.reshape(rows, width), w_out.T, 0, result)
        add_bias(result, b_out)


@cached_njit(**HOW)
def backward(
    dy: Array,
    x: Array,
    w_in: Array,
    w_out: Array,
    causal: bool,
    qkv: Array,
    y: Array,
    lse: Array,
    share: float,
    dw_in: Array,
    db_in: Array,
    dw_out: Array,
    db_out: Array,
    dx: Array,
) -> None:
    """Write dx for some samples, and set each gradient to its sum over them + share · itself."""
    count, queries, width = x.shape
    heads = lse.shape[1]
    size = width // heads
    block = min(count, max(1, ROWS // max(queries, 1)))
    g, dqkv = np.empty((block, queries, width), np.float32), np.empty_like(qkv[:block])
    for start in range(0, count, block):
        stop = min(start + block, count)
        many = stop - start
        rows = many * queries
        dy_rows = dy[start:stop].reshape(rows, width)
        multiply(dy_rows, w_out, 0, g[:many].reshape(rows, width))
        multiply(dy_rows.T, y[start:stop].reshape(rows, width), share, dw_out)
        add_sums(dy_rows, share, db_out)
        each = g[:many].reshape(many, queries, heads, size).transpose(0, 2, 1, 3)
        q, k, v = _split(qkv[start:stop], heads)
        dq, dk, dv = _split(dqkv[:many], heads)
        attend_heads_backward(each, q, k, v, lse[start:stop], dq, dk, dv, causal)
        dprojected = dqkv[:many].reshape(rows, 3 * width)
        multiply(dprojected.T, x[start:stop].reshape(rows, width), share, dw_in)
        add_sums(dprojected, share, db_in)
        multiply(dprojected, w_in, 0, dx[start:stop].reshape(rows, width))
        share = 1.0


@cached_njit(**HOW)
def _split(qkv, heads):
    """Return q, k and v (N, H, T, D), views of an array (N, T, 3C)."""
    n, t, width = qkv.shape
    split = qkv.reshape(n, t, 3, heads, width // (3 * heads)).transpose(2, 0, 3, 1, 4)
    return split[0], split[1], split[2]
