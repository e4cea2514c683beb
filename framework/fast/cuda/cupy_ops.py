"""The operations of `firstlight.fast` on a GPU, under the same names: launches of our kernels.

`firstlight.fast.by_array` calls them for float32 and float64 arrays that are not NumPy's. Each
function computes what its namesake for the CPU computes, and is documented there.
"""

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.distributed import sharding
from firstlight.fast.blocked import dropout, gradients
from firstlight.fast.cuda.gemm import matmul
from firstlight.fast.cuda.kernel import BLOCK, blocks_for, launch
from firstlight.support import rng as randomness
from firstlight.support.array import Array

CHUNKS = 64  # of rows; their sums are added in a second stage


# --- sums over rows --------------------------------------------------------------------------


def column_sums(x: Array, other: Array | None = None) -> Array:
    """Return Σ x over the rows of x (N, C), or Σ x · other."""
    rows, columns = x.shape
    if not rows:
        return np.zeros_like(x, shape=(columns,))
    chunk = max(32, -(-rows // CHUNKS))
    chunks = -(-rows // chunk)
    partial = np.empty_like(x, shape=(chunks, columns))
    grid = (blocks_for(columns), chunks)
    if other is None:
        launch("sums", "column_sums", x, grid, x, partial, rows, columns, chunk)
    else:
        launch("sums", "column_dots", x, grid, x, other, partial, rows, columns, chunk)
    if chunks == 1:
        return partial[0]
    total = np.empty_like(x, shape=(columns,))
    launch(
        "sums", "column_sums", x, (blocks_for(columns), 1), partial, total, chunks, columns, chunks
    )
    return total


def sum_of_squares(x: Array) -> Array:
    blocks = min(CHUNKS, blocks_for(x.size))
    partial = np.empty_like(x, shape=(blocks * BLOCK,), dtype="float64")
    launch("sums", "square_sums", x, blocks, x, partial, np.int64(x.size))
    return partial.sum()


def channel_sums(x: Array) -> Array:
    return column_sums(_rows(x))


def channel_dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    return column_sums(_rows(dy)), column_sums(_rows(dy), _rows(x - mean))


def channel_moments(x: Array) -> tuple[Array, Array]:
    rows = _rows(x)
    mean = column_sums(rows) / len(rows)
    centered = rows - mean
    return mean, column_sums(centered, centered) / len(rows)


# --- rows --------------------------------------------------------------------------------------


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    x = contiguous(x)
    x_hat, rstd = np.empty_like(x), np.empty_like(x, shape=(len(x), 1))
    y = x_hat if weight is None else np.empty_like(x)
    w, b = (rstd if p is None else p for p in (weight, bias))
    has_w, has_b = int(weight is not None), int(bias is not None)
    if x.size:
        arguments = (x, w, b, y, x_hat, rstd, float(eps), x.shape[1], has_w, has_b)
        launch("layernorm", "layer_norm", x, len(x), *arguments)
    return y, x_hat, rstd


def layer_norm_backward(
    dy: Array, x_hat: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    dy = contiguous(dy)
    dx = np.empty_like(x_hat)
    w, has_w = (rstd, 0) if weight is None else (weight, 1)
    if dy.size:
        arguments = (dy, x_hat, rstd, w, dx, dy.shape[1], has_w)
        launch("layernorm", "layer_norm_dx", dy, len(dy), *arguments)
    return dx, column_sums(dy, x_hat), column_sums(dy)


def softmax_parts(
    x: Array, t: Array, counted: Array, b: Array | None = None
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


def softmax_parts_dx(e: Array, s: Array, t: Array, a: Array, scale: Any) -> Array:
    on_device = np.empty_like(e, shape=(1,))
    on_device[...] = scale
    if e.size:
        arguments = (e, s, t.astype("int64", copy=False), a, on_device, e.shape[1])
        launch("cross_entropy", "softmax_parts_dx", e, len(e), *arguments)
    return e


# --- attention ---------------------------------------------------------------------------------


def attention(
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    *,
    bias: Array | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    seeds: Any = None,
) -> Array:
    q, k, v = contiguous(q), contiguous(k), contiguous(v)
    scores = matmul(q, k.swapaxes(-1, -2))  # (N, H, T, S)
    lse = np.empty_like(q, shape=(*q.shape[:3], 1))
    extra = _softmax_arguments(q, k, lse, bias, causal, dropout, seeds)
    if scores.size:
        launch("attention", "softmax_rows", q, lse.size, scores, lse, *extra)
    y[...] = matmul(scores, v)
    return lse


def attention_backward(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
    *,
    bias: Array | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    seeds: Any = None,
) -> None:
    dy, q, k, v = contiguous(dy), contiguous(q), contiguous(k), contiguous(v)
    scores, dp = matmul(q, k.swapaxes(-1, -2)), matmul(dy, v.swapaxes(-1, -2))  # (N, H, T, S)
    extra = _softmax_arguments(q, k, lse, bias, causal, dropout, seeds)
    if scores.size:
        launch("attention", "softmax_rows_backward", q, lse.size, scores, dp, lse, *extra)
    dv[...] = matmul(scores.swapaxes(-1, -2), dy)
    dq[...] = matmul(dp, k)
    dk[...] = matmul(dp.swapaxes(-1, -2), q)


def _softmax_arguments(q, k, unused, bias, causal, p, key):
    heads, queries, keys = q.shape[1], q.shape[2], k.shape[2]
    has_bias, strides = int(bias is not None), (0, 0)
    if has_bias:
        bias = contiguous(bias.astype(q.dtype, copy=False))
        strides = [s // bias.itemsize if n > 1 else 0 for s, n in zip(
            bias.strides[:2], bias.shape[:2], strict=True)]  # fmt: skip
    sizes = (float(q.shape[3] ** -0.5), heads, queries, keys, int(causal), has_bias, *strides)
    shape = (len(q), heads, queries, keys)
    return (bias if has_bias else unused, *sizes, *_draw(p, key, shape, unused))


# --- random numbers, by position -----------------------------------------------------------------


def dropout_seeds(x: Array) -> tuple[Array, int]:
    """Return the key of a layer's dropout: the number of the pass, on the device, and the call."""
    return randomness.device_key(x)


def dropout_mask(x: Array, p: float, shape: tuple[int, ...], rng: Generator | None = None) -> Array:
    if rng is not None:  # a generator of the user, on the host
        return dropout.dropout_mask(x, p, shape, rng)
    mask = np.empty_like(x, order="C", shape=shape, dtype="bool")
    arguments = _draw(p, randomness.device_key(x), shape, None)
    launch("elementwise", "dropout_mask", x, blocks_for(mask.size), mask, *arguments, mask.size)
    return mask


def _draw(p, key, shape, unused):
    """Return the kernels' arguments for random numbers; elements count in the batch of all ranks.

    The generator is Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
    2011, section 3.3), a function of a counter and a key. The state of a GPU's generator could
    not be saved, and a captured graph repeats the same work; so the counter is the number of the
    pass (on the device, it grows with each training step), of the call in it and of the element,
    and the key is the seed.
    """
    step, call = (unused, 0) if key is None else key
    first = sharding.first_row(shape[0]) * math.prod(shape[1:]) & 0xFFFFFFFF
    seed = randomness.current_seed()
    words = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
    return np.float32(p), step, np.uint32(call), *words, np.uint32(first)


# --- element by element --------------------------------------------------------------------------


def gelu(x: Array, approximate: str = "none", *, slope: bool = True) -> tuple[Array, Array | None]:
    x = contiguous(x)
    y = np.empty_like(x)
    dydx = np.empty_like(x) if slope else None
    name = "gelu_tanh" if approximate == "tanh" else "gelu_exact"
    if x.size:
        arguments = (x, y, dydx if slope else y, int(slope), x.size)
        launch("gelu", name, x, blocks_for(x.size), *arguments)
    return y, dydx


def add_by_index(table: Array, indices: Array, values: Array, skip: int | None = None) -> None:
    rows, width = table.shape
    if skip is not None:
        values = values * (indices != skip)[:, None].astype(values.dtype)
    count = len(indices)
    if not count:
        return
    chunks = max(1, min(count // 256, (1 << 22) // (rows * width)))
    chunk = -(-count // chunks)
    partial = np.empty_like(values, shape=(chunks, rows, width))
    index = contiguous(indices.astype("int64", copy=False))
    arguments = (index, contiguous(values), partial, count, width, rows, chunk)
    launch("embedding", "embedding_dw", values, (rows, chunks), *arguments)
    table += column_sums(partial.reshape(chunks, -1)).reshape(table.shape)


def take_scaled(x: Array, places: Any, factor: float) -> Array:
    shape = (len(places), *x.shape[1:])
    batch = np.empty_like(x, order="C", shape=shape, dtype="float32")
    if batch.size:
        name = "gather_bytes" if x.dtype == np.uint8 else "gather_reals"
        arguments = (x, places, batch, float(factor), math.prod(x.shape[1:]), batch.size)
        launch("gather", name, batch, blocks_for(batch.size), *arguments)
    return batch


# --- loss scale ---------------------------------------------------------------------------------


def unscale(g: Array, scale: Array, counts: Array) -> None:
    counts[gradients.BAD] = 0
    launch("scaling", "unscale", g, blocks_for(g.size), g, scale, counts, g.size)


def next_scale(scale: Array, counts: Array, interval: int = gradients.GROWTH_INTERVAL) -> None:
    launch("scaling", "next_scale", scale, 1, scale, counts, interval, block=1)


# --- shapes ------------------------------------------------------------------------------------


def contiguous(x: Array) -> Array:
    """Return x, or a contiguous copy."""
    return x if x.flags.c_contiguous else x.copy()


def _rows(x):
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
