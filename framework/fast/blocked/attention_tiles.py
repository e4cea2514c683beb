"""Scaled dot-product attention in tiles of queries, whose scores stay in the cache.

The T x S scores are never stored as a whole. Forward computes them tile by tile; backward
recomputes each tile from q, k and the logarithm of each row's sum. A causal tile skips the keys
after its last query. The largest score of a row is subtracted only where a score is large: that
guards against overflow, and finding it takes NumPy four times as long as ``exp``.

Legend: N samples, H heads, T queries, S keys, D numbers per head; a tile has n samples, t queries
and the s keys that these see.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from firstlight.fast.blocked.parallel import even_rows, spread
from firstlight.support import draws
from firstlight.support.array import Array


def attend(
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    *,
    bias: Array | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    seeds: Any = None,
    plain: Callable[..., None] | None = None,
) -> Array:
    """Compute y = softmax(q kᵀ/√D + bias) v; see `firstlight.nn.MultiHeadAttention`.

    Parameters
    ----------
    q : array, shape (N, H, T, D)
    k, v : array, shape (N, H, S, D)
    y : array, shape (N, H, T, D)
        Output; like the inputs, it may be a view.
    bias : array, shape (N or 1, H or 1, T, S), optional
        Added to the scores; -inf where a query must not attend.
    causal : bool
        The last query sees all keys, the one before it all but the last, and so on.
    dropout : float
        Probability that a weight becomes zero; the others are scaled up.
    seeds : array of int, shape (N,), optional
        Seed of each sample's dropout.
    plain : callable, optional
        Takes the place of `attend_samples` without bias and dropout.

    Returns
    -------
    array, shape (N, H, T, 1)
        log Σ exp(score) of each row, for `attend_backward`.
    """
    lse = np.empty_like(y, shape=(*q.shape[:3], 1))

    def block(first, last):
        n = slice(first, last)
        arrays = (array[n] for array in (q, k, v, y, lse))
        if plain is not None and bias is None and not dropout:
            plain(*arrays, causal)
        else:
            attend_samples(*arrays, causal, *_options(q, k, bias, causal, dropout, seeds, n))

    spread(block, len(q), _samples_per_block(q, k))
    return lse


def attend_samples(
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    causal: bool,
    bias: Array | None = None,
    factors: Iterator[Array] | None = None,
) -> None:
    """Compute `attend` for some samples, in this thread; ``factors`` are dropout's, by tile."""
    hidden = _future(y) if causal else None
    small = bias is None or not (np.isfinite(bias) & (bias != 0)).any()
    for rows, keys, _, scores in _tiles(q, k, causal):
        exp, shift = _exp(scores, bias, rows, keys, hidden, small)  # (n, H, t, s)
        total = (exp @ np.ones_like(exp, shape=exp.shape[-1]))[..., None]  # (n, H, t, 1)
        np.maximum(total, float(np.finfo(total.dtype).tiny), out=total)  # where every key is masked
        lse[:, :, rows] = np.log(total) + shift
        if factors is not None:
            exp *= next(factors)
        np.divide(exp @ v[:, :, keys], total, out=y[:, :, rows])


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
    *,
    bias: Array | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    seeds: Any = None,
    plain: Callable[..., None] | None = None,
) -> None:
    """Compute the gradients for `attend` into dq, dk and dv, which may be views.

    With the weights p and dp = dy vᵀ (derivation: docs/derivations/attention.md)::

        dv = pᵀ dy      ds = p (dp - Σ_d dy y)      dq = ds k/√D      dk = dsᵀ q/√D
    """

    def block(first, last):
        n = slice(first, last)
        arrays = (array[n] for array in (dy, q, k, v, y, lse, dq, dk, dv))
        if plain is not None and bias is None and not dropout:
            plain(*arrays, causal)
        else:
            options = _options(q, k, bias, causal, dropout, seeds, n)
            attend_samples_backward(*arrays, causal, *options)

    spread(block, len(q), _samples_per_block(q, k))


def attend_samples_backward(
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
    bias: Array | None = None,
    factors: Iterator[Array] | None = None,
) -> None:
    """Compute `attend_backward` for some samples, in this thread."""
    hidden = _future(y) if causal else None
    v_transposed = _transposed(v)
    for rows, keys, scaled_q, p in _tiles(q, k, causal):
        _add_bias(p, bias, rows, keys, hidden)
        p -= lse[:, :, rows]
        np.exp(p, out=p)  # (n, H, t, s)
        g = dy[:, :, rows]  # (n, H, t, D)
        ds = g @ v_transposed[..., keys]  # (n, H, t, s)  dp so far
        kept = p
        if factors is not None:
            mask = next(factors)
            kept = p * mask
            ds *= mask
        ds -= np.einsum("nhtd,nhtd->nht", g, y[:, :, rows])[..., None]
        ds *= p
        np.multiply(ds @ k[:, :, keys], q.shape[-1] ** -0.5, out=dq[:, :, rows])
        if rows.stop == q.shape[2]:  # the first tile sees all keys
            np.matmul(kept.swapaxes(-1, -2), g, out=dv)
            np.matmul(ds.swapaxes(-1, -2), scaled_q, out=dk)
        else:
            dv[:, :, keys] += kept.swapaxes(-1, -2) @ g
            dk[:, :, keys] += ds.swapaxes(-1, -2) @ scaled_q


def _options(q, k, bias, causal, dropout, seeds, n):
    """Return bias and dropout's factors of the samples n."""
    if bias is not None and len(bias) > 1:
        bias = bias[n]
    if not dropout:
        return bias, None
    shape = (q.shape[1], q.shape[2], k.shape[2])
    return bias, _factors(seeds[n], dropout, shape, causal, q.dtype)


def _factors(seeds, p, shape, causal, dtype):
    """Yield dropout's factors, 0 or 1/(1 - p), of each tile."""
    scale = 1 / (1 - p) if p < 1 else 0.0
    for _, _, mask in draws.attention_masks(seeds, p, shape, causal):
        factors = mask.astype(dtype)
        factors *= scale
        yield factors


def _samples_per_block(q, k):
    """Return the number of samples in a block."""
    return even_rows(len(q), q.shape[1] * q.shape[2] * k.shape[2] * q.dtype.itemsize)


def _tiles(q, k, causal):
    """Yield ``(rows, keys, q/√D, scores)`` tile by tile, from the last queries to the first."""
    queries, keys = q.shape[2], k.shape[2]
    k_transposed = _transposed(k)
    for rows in draws.query_blocks(q.shape[1], queries, keys):
        seen = draws.seen_keys(rows, queries, keys, causal)
        scaled_q = q[:, :, rows] * q.shape[-1] ** -0.5  # (n, H, t, D)
        yield rows, seen, scaled_q, scaled_q @ k_transposed[..., seen]


def _transposed(x):
    """Return x (n, H, s, D) as a contiguous (n, H, D, s), which makes small products faster."""
    x = x.swapaxes(-1, -2)
    return np.ascontiguousarray(x)


def _exp(scores, bias, rows, keys, hidden, small):
    """Turn scores into exp(scores + bias - shift), in place; return it and the shift."""
    limit = 0.45 * math.log(np.finfo(scores.dtype).max)  # exp of twice that is still finite
    if small and -limit < scores.min() <= scores.max() < limit:
        shift = 0.0
        _add_bias(scores, bias, rows, keys, hidden)
    else:
        _add_bias(scores, bias, rows, keys, hidden)
        shift = scores.max(axis=-1, keepdims=True)
        lowest = float(np.finfo(scores.dtype).min) / 2
        np.maximum(shift, lowest, out=shift)  # -inf where every key is masked
        scores -= shift
    return np.exp(scores, out=scores), shift


def _add_bias(scores, bias, rows, keys, hidden):
    if bias is not None:
        scores += bias[..., rows, keys]
    if hidden is not None:
        t = scores.shape[-2]  # only the last t keys of a tile are hidden from any of its queries
        scores[..., -t:] += hidden[:t, :t]


def _future(like):
    """Return the causal mask (T, T): -inf where key j comes after query i, else 0."""
    t = like.shape[2]
    return np.triu(np.full_like(like, -np.inf, shape=(t, t)), 1)
