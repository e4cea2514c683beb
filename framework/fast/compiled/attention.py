"""Attention without bias and dropout: all heads of some samples in one compiled call.

The formulas are those of `firstlight.fast.blocked.attention_tiles`. Scores of a few queries are
computed, converted to weights row by row, and multiplied again while they are in the cache. They
are in rows of whole panels, and those of keys that a query does not see are zero. The panels of kᵀ
and vᵀ are packed once for each head; all other factors are read where they are.
"""

import math

import numpy as np
from numba import carray

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.gelu import exp
from firstlight.fast.compiled.panels import (
    BYTES,
    EDGE,
    LINE,
    multiply_panel,
    multiply_rows,
    pack_transposed,
    panels,
)
from firstlight.fast.compiled.product_tile import COLUMNS, keep_first, largest, numbers
from firstlight.support.array import Array

QUERIES = 32  # whose scores are computed together
HOW = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}


def attend(q: Array, k: Array, v: Array, y: Array, lse: Array, causal: bool) -> None:
    """Compute y and lse; see `firstlight.fast.blocked.attention_tiles`."""
    q, k, v = (_by_rows(x) for x in (q, k, v))
    whole = _by_rows(y)
    attend_heads(q, k, v, whole, lse[..., 0], causal)
    if whole is not y:
        y[...] = whole


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
    causal: bool,
) -> None:
    """Compute dq, dk and dv."""
    inputs = [_by_rows(x) for x in (dy, q, k, v)]
    outputs = [_by_rows(x) for x in (dq, dk, dv)]
    attend_heads_backward(*inputs, lse[..., 0], *outputs, causal)
    for found, out in zip(outputs, (dq, dk, dv), strict=True):
        if found is not out:
            out[...] = found


def _by_rows(x):
    """Return x, or a copy whose rows are contiguous."""
    down, right = x.strides[-2:]
    fits = right == x.itemsize and down >= x.shape[-1] * x.itemsize
    return x if fits else np.array(x, order="C")


@cached_njit(**HOW)
def attend_heads(q: Array, k: Array, v: Array, y: Array, lse: Array, causal: bool) -> None:
    """Compute y and lse (N, H, T)."""
    samples, heads, queries, size = q.shape
    keys = k.shape[2]
    scale = np.float32(1 / math.sqrt(size))
    memory = np.empty(_memory(keys, size, 1), np.float32)
    spare = (memory.ctypes.data + LINE - 1) // LINE * LINE
    packed = spare + EDGE + keys * LINE
    tile = packed + panels(keys) * size * LINE
    row = panels(keys) * LINE
    for n in range(samples):
        for h in range(heads):
            _pack(k[n, h], packed)
            for start in range(0, queries, QUERIES):
                stop = min(start + QUERIES, queries)
                before = keys - queries + start  # keys that all of these queries see
                seen = before + stop - start if causal else keys
                _scores(q[n, h, start:stop], packed, seen, tile, row, spare)
                for t in range(stop - start):
                    own = before + t + 1 if causal else keys
                    lse[n, h, start + t] = _to_weights(tile + t * row, panels(seen), own, scale)
                _multiply(tile, row, BYTES, seen, v[n, h], False, y[n, h, start:stop], spare)


@cached_njit(**HOW)
def attend_heads_backward(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
    causal: bool,
) -> None:
    """Compute dq, dk and dv."""
    samples, heads, queries, size = q.shape
    keys = k.shape[2]
    scale = np.float32(1 / math.sqrt(size))
    memory = np.empty(_memory(keys, size, 2), np.float32)
    spare = (memory.ctypes.data + LINE - 1) // LINE * LINE
    packed_k = spare + EDGE + max(keys, QUERIES) * LINE
    packed_v = packed_k + panels(keys) * size * LINE
    p_tile = packed_v + panels(keys) * size * LINE
    row = panels(keys) * LINE
    ds_tile = p_tile + QUERIES * row
    for n in range(samples):
        for h in range(heads):
            _pack(k[n, h], packed_k)
            _pack(v[n, h], packed_v)
            dk[n, h] = 0
            dv[n, h] = 0
            for start in range(0, queries, QUERIES):
                stop = min(start + QUERIES, queries)
                before = keys - queries + start
                seen = before + stop - start if causal else keys
                rows, g = q[n, h, start:stop], dy[n, h, start:stop]
                _scores(rows, packed_k, seen, p_tile, row, spare)
                _scores(g, packed_v, seen, ds_tile, row, spare)  # dp so far
                for t in range(stop - start):
                    own = before + t + 1 if causal else keys
                    logarithm = lse[n, h, start + t]
                    p, ds = p_tile + t * row, ds_tile + t * row
                    _to_slopes(p, ds, panels(seen), own, scale, logarithm)
                _multiply(ds_tile, row, BYTES, seen, k[n, h], False, dq[n, h, start:stop], spare)
                _multiply(p_tile, BYTES, row, stop - start, g, True, dv[n, h, :seen], spare)
                _multiply(ds_tile, BYTES, row, stop - start, rows, True, dk[n, h, :seen], spare)


@cached_njit()
def _memory(keys, size, factors):
    """Return the numbers of memory for panels and scores of one or two factors."""
    each = panels(keys) * (size + QUERIES)
    return (1 + EDGE // LINE + max(keys, QUERIES) + factors * each) * COLUMNS


@cached_njit(error_model="numpy")
def _pack(rows, to):
    """Pack the panels of a transposed matrix."""
    count, size = rows.shape
    for first in range(0, count, COLUMNS):
        source = rows.ctypes.data + first * rows.strides[0]
        columns = min(COLUMNS, count - first)
        pack_transposed(source, rows.strides[0], size, columns, to + first * size * BYTES)


@cached_njit(error_model="numpy")
def _scores(rows, packed, seen, tile, row, spare):
    """Compute the products of some rows with the panels of the keys seen."""
    count, size = rows.shape
    a, step = rows.ctypes.data, rows.strides[0]
    for panel in range(panels(seen)):
        b, c = packed + panel * size * LINE, tile + panel * LINE
        multiply_panel(a, step, BYTES, count, b, LINE, size, COLUMNS, c, row, False, spare)


@cached_njit(error_model="numpy")
def _multiply(a, a_row, a_step, k, b, add, out, spare):
    """Compute the product of a, with k columns, and the first k rows of b."""
    count, size = out.shape
    at, step = b.ctypes.data, b.strides[0]
    to, line = out.ctypes.data, out.strides[0]
    multiply_rows(a, a_row, a_step, count, at, step, k, size, to, line, add, spare)


@cached_njit(**HOW)
def _to_weights(address, lines, own, scale):
    """Convert a row of scores, the first ``own`` of which count, and return its lse."""
    counted = panels(own)
    last = address + (counted - 1) * LINE
    row = carray(numbers(address), (counted * COLUMNS,))
    keep_first(last, own - (counted - 1) * COLUMNS, np.float32(-np.inf))
    shift = largest(address, counted) * scale
    total = np.float32(0)
    for s in range(len(row)):
        weight = exp(row[s] * scale - shift)
        row[s] = weight
        total += weight
    share = np.float32(1) / total
    for s in range(len(row)):
        row[s] *= share
    _clear(address, counted, lines)
    return np.log(total) + shift


@cached_njit(**HOW)
def _to_slopes(address, ds_address, lines, own, scale, lse):
    """Convert rows of scores and dp to weights and ds."""
    counted = panels(own)
    last = (counted - 1) * LINE
    in_last = own - (counted - 1) * COLUMNS
    p = carray(numbers(address), (counted * COLUMNS,))
    ds = carray(numbers(ds_address), (counted * COLUMNS,))
    keep_first(address + last, in_last, np.float32(-np.inf))
    total, mean = np.float32(0), np.float32(0)
    for s in range(len(p)):
        weight = exp(p[s] * scale - lse)
        p[s] = weight
        total += weight  # 1, but for the rounding of a large lse
        mean += weight * ds[s]
    share = np.float32(1) / total
    mean *= share  # Σ_d dy y
    for s in range(len(p)):
        weight = p[s] * share
        p[s] = weight
        ds[s] = weight * (ds[s] - mean) * scale
    keep_first(ds_address + last, in_last, np.float32(0))
    _clear(address, counted, lines)
    _clear(ds_address, counted, lines)


@cached_njit()
def _clear(address, first, lines):
    for line in range(first, lines):
        keep_first(address + line * LINE, 0, np.float32(0))
