"""Attention without bias and dropout: all heads of some samples in one compiled call.

The formulas are those of `firstlight.fast.blocked.attention_tiles`. A tile of scores is multiplied,
converted to weights row by row, and multiplied again while it is in the cache. In a causal tile,
only the keys that a row sees are converted.
"""

import math

import numpy as np

from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.compiled.blas import multiply
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.gelu import exp
from firstlight.support.array import Array

QUERIES = 64  # in a tile
HOW = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}


def attend(q: Array, k: Array, v: Array, y: Array, lse: Array, causal: bool) -> None:
    """Compute y and lse; see `firstlight.fast.blocked.attention_tiles`."""
    q, k, v = (_by_rows(x) for x in (q, k, v))
    tile = scratch("scores", (min(QUERIES, q.shape[2]) * k.shape[2],), q)
    whole = _by_rows(y)
    attend_heads(q, k, v, whole, lse[..., 0], causal, tile)
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
    size = min(QUERIES, q.shape[2]) * k.shape[2]
    tiles = scratch("scores", (2, size), q)
    attend_heads_backward(*inputs, lse[..., 0], *outputs, causal, tiles)
    for found, out in zip(outputs, (dq, dk, dv), strict=True):
        if found is not out:
            out[...] = found


def _by_rows(x):
    """Return x, or a copy whose last two axes BLAS can read as a matrix."""
    down, right = x.strides[-2:]
    fits = right == x.itemsize and down >= x.shape[-1] * x.itemsize
    return x if fits else np.array(x, order="C")


@cached_njit(**HOW)
def attend_heads(
    q: Array, k: Array, v: Array, y: Array, lse: Array, causal: bool, tile: Array
) -> None:
    """Compute y and lse (N, H, T) with memory for a tile of scores."""
    samples, heads, queries, size = q.shape
    keys = k.shape[2]
    scale = np.float32(1 / math.sqrt(size))
    for n in range(samples):
        for h in range(heads):
            for start in range(0, queries, QUERIES):
                stop = min(start + QUERIES, queries)
                before = keys - queries + start  # keys that all queries of the tile see
                seen = before + stop - start if causal else keys
                scores = tile[: (stop - start) * seen].reshape(stop - start, seen)
                multiply(q[n, h, start:stop], k[n, h, :seen].T, 0, scores)
                for t in range(stop - start):
                    own = before + t + 1 if causal else keys
                    row = scores[t]
                    shift = _largest(row[:own]) * scale
                    total = np.float32(0)
                    for s in range(own):
                        row[s] = exp(row[s] * scale - shift)
                        total += row[s]
                    share = np.float32(1) / total
                    for s in range(own):
                        row[s] *= share
                    row[own:] = 0
                    lse[n, h, start + t] = math.log(total) + shift
                multiply(scores, v[n, h, :seen], 0, y[n, h, start:stop])


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
    tiles: Array,
) -> None:
    """Compute dq, dk and dv with memory for two tiles of scores."""
    samples, heads, queries, size = q.shape
    keys = k.shape[2]
    scale = np.float32(1 / math.sqrt(size))
    for n in range(samples):
        for h in range(heads):
            dk[n, h] = 0
            dv[n, h] = 0
            for start in range(0, queries, QUERIES):
                stop = min(start + QUERIES, queries)
                before = keys - queries + start
                seen = before + stop - start if causal else keys
                p = tiles[0, : (stop - start) * seen].reshape(stop - start, seen)
                ds = tiles[1, : (stop - start) * seen].reshape(stop - start, seen)
                rows, g = q[n, h, start:stop], dy[n, h, start:stop]
                multiply(rows, k[n, h, :seen].T, 0, p)
                multiply(g, v[n, h, :seen].T, 0, ds)  # dp so far
                for t in range(stop - start):
                    own = before + t + 1 if causal else keys
                    weights, slopes = p[t], ds[t]
                    logarithm, total, mean = lse[n, h, start + t], np.float32(0), np.float32(0)
                    for s in range(own):
                        weights[s] = exp(weights[s] * scale - logarithm)
                        total += weights[s]  # 1, but for the rounding of a large lse
                        mean += weights[s] * slopes[s]
                    share = np.float32(1) / total
                    mean *= share  # Σ_d dy y
                    for s in range(own):
                        weights[s] *= share
                        slopes[s] = weights[s] * (slopes[s] - mean) * scale
                    weights[own:] = 0
                    slopes[own:] = 0
                multiply(ds, k[n, h, :seen], 0, dq[n, h, start:stop])
                multiply(p.T, g, 1, dv[n, h, :seen])
                multiply(ds.T, rows, 1, dk[n, h, :seen])


@cached_njit(**HOW)
def _largest(row):
    most = row[0]
    for s in range(1, len(row)):
        most = max(most, row[s])
    return most
