"""MultiHeadAttention: every position takes a weighted mean of all positions.

Legend: N samples, T queries, S keys, C numbers per position, H heads, D = C/H.
"""

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._attention_checks import check_heads, check_mask, check_sequences
from firstlight.nn._checks import check_probability
from firstlight.nn.key_value_cache import KeyValueCache
from firstlight.nn.linear import Linear
from firstlight.nn.positions import RotaryPositions
from firstlight.parameter import Parameter
from firstlight.support import draws
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class MultiHeadAttention(Module):
    """Attend: each position takes a weighted mean of all positions, per head.

    Formula, for one sample and head, with D = C / num_heads, and the context c, which is x unless
    given::

        q = x W_qᵀ + b_q      k = c W_kᵀ + b_k      v = c W_vᵀ + b_v
        s = q kᵀ/√D + mask                          scores, (T, S)
        p = softmax(s)                              weights: row i sums to 1
        y = concat(m p v of all heads) W_oᵀ + b_o   dropout's factors m are 0 or 1/(1 - dropout)

    Gradient, with g = dL/d(m p v), from the last line back (docs/derivations/attention.md)::

        dv = (m p)ᵀ g  dp = m g vᵀ    ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij)
        dq = ds k/√D                  dk = dsᵀ q/√D

    and from dq, dk, dv to x, c and the weights as in `Linear`; the gradients of all paths to x
    add.

    Parameters
    ----------
    embed_dim, num_heads : int
        C, a multiple of the number of heads, and that number.
    dropout : float
        Probability that a weight p is zero in training; the others are scaled by 1/(1 - dropout).
    bias : bool
        If False, there are no b.
    is_causal : bool
        Position i sees positions 0 ... i only.
    rotary : RotaryPositions, optional
        Rotary position embedding of q and k.
    rng : numpy.random.Generator, optional
        Generator of the initial values; the ``init`` stream by default. Dropout draws from the
        ``dropout`` stream.

    Attributes
    ----------
    in_proj_weight : Parameter, shape (3C, C)
        W_q, W_k, W_v stacked, so that self-attention needs one product for all three.
    in_proj_bias : Parameter, shape (3C,), or None
    out_proj : Linear

    Raises
    ------
    ValueError
        embed_dim is no multiple of num_heads; a mask that does not fit; inputs of other shapes.
    TypeError
        A mask that is neither boolean nor floating-point; x of another dtype than the weights.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.MultiHeadAttention(8, 2, is_causal=True)
    >>> layer(np.ones((3, 5, 8), "float32")).shape
    (3, 5, 8)
    >>> layer.weights(np.ones((3, 5, 8), "float32"))[0, 0, 1]  # weights of position 1
    array([0.5, 0.5, 0. , 0. , 0. ], dtype=float32)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        is_causal: bool = False,
        rotary: RotaryPositions | None = None,
        rng: Generator | None = None,
    ):
        check_heads(self, embed_dim, num_heads)
        check_probability(self, dropout, "dropout")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout: float = float(dropout)
        self.head_dim: int = embed_dim // num_heads
        self.is_causal = is_causal
        self.rotary = rotary
        shape = (3 * embed_dim, embed_dim)
        self.in_proj_weight: Parameter = Parameter(init.xavier_uniform(shape, rng=rng))
        self.in_proj_bias: Parameter | None = Parameter(init.zeros(shape[:1])) if bias else None
        self.out_proj: Linear = Linear(embed_dim, embed_dim, bias, rng=rng)
        if bias:
            self.out_proj.bias.data[...] = 0

    @accelerated
    def forward(self, x: Array, context: Array | None = None, mask: Array | None = None) -> Array:
        """Return y (N, T, C).

        Parameters
        ----------
        x : array, shape (N, T, C)
        context : array, shape (N, S, C), optional
            Source of keys and values; x by default.
        mask : array, shape (T, S), (N, T, S) or (N, H, T, S), optional
            Boolean: True where a query may attend; or floating-point: added to the scores.
        """
        q, k, v = self._project(x, context)  # (N, H, T, D), (N, H, S, D) twice
        p = _softmax(_scores(q, k) + self._bias(mask, q, k))  # (N, H, T, S)
        m = self._draw(p)  # (N, H, T, S), or 1
        self.save(x, context, q, k, v, p, m)
        return self.out_proj(self._merge((m * p) @ v))  # (N, T, C)

    @accelerated
    def backward(self, dy: Array) -> Any:
        """Return dx, or (dx, dcontext) if forward had a context."""
        x, context, q, k, v, p, m = self.saved()
        g = self._split(self.out_proj.backward(dy))  # (N, H, T, D)
        dv = (m * p).swapaxes(-1, -2) @ g  # (N, H, S, D)
        dp = m * (g @ v.swapaxes(-1, -2))  # (N, H, T, S)
        ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))  # (N, H, T, S)
        dq = ds @ k / math.sqrt(self.head_dim)  # (N, H, T, D)
        dk = ds.swapaxes(-1, -2) @ q / math.sqrt(self.head_dim)  # (N, H, S, D)
        dx, dcontext = self._project_backward(dq, dk, dv, x, context)
        return dx + dcontext if context is None else (dx, dcontext)

    def weights(self, x: Array, context: Array | None = None, mask: Array | None = None) -> Array:
        """Return the weights p (N, H, T, S) of a forward without dropout."""
        self.check_input(x, context, mask)
        q, k, _ = self._project(x, context)
        return _softmax(_scores(q, k) + self._bias(mask, q, k))

    @accelerated
    def extend(self, x: Array, cache: KeyValueCache) -> Array:
        """Return y for positions x (N, T, C) that follow those in a `KeyValueCache`."""
        self.check_input(x)
        q, k, v = self._project(x, start=cache.length)  # (N, H, T, D) each
        k, v = cache.append(k, v)  # (N, H, S, D), with the cached ones
        p = _softmax(_scores(q, k) + _hidden(q, k))  # (N, H, T, S)
        return self.out_proj(self._merge(p @ v))

    def check_input(
        self, x: Array, context: Array | None = None, mask: Array | None = None
    ) -> None:
        check_sequences(self, x, context)
        check_mask(self, mask, x, context)

    def _project(self, x, context=None, start=0):
        """Return q, k and v; ``start`` is the position of x's first row."""
        c = x if context is None else context  # (N, S, C)
        w_q, w_k, w_v = self.in_proj_weight.data.reshape(3, self.embed_dim, self.embed_dim)
        q, k, v = x @ w_q.T, c @ w_k.T, c @ w_v.T  # (N, T, C), (N, S, C) twice
        if self.in_proj_bias is not None:
            b_q, b_k, b_v = self.in_proj_bias.data.reshape(3, self.embed_dim)
            q, k, v = q + b_q, k + b_k, v + b_v
        q, k, v = self._split(q), self._split(k), self._split(v)
        if self.rotary is not None:
            q, k = self.rotary.turn(q, start), self.rotary.turn(k, start)
        return q, k, v

    def _project_backward(self, dq, dk, dv, x, context):
        """Return the gradients of x, from q, and of the context, from k and v."""
        c = x if context is None else context  # (N, S, C)
        if self.rotary is not None:
            dq, dk = self.rotary.turn(dq, back=True), self.rotary.turn(dk, back=True)
        gradients = []
        for part, (source, d) in enumerate([(x, dq), (c, dk), (c, dv)]):
            rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)  # of W_q, W_k or W_v
            d = self._merge(d)  # (N, T, C), (N, S, C) twice
            d_rows, source_rows = (z.reshape(-1, self.embed_dim) for z in (d, source))
            self.in_proj_weight.grad[rows] += d_rows.T @ source_rows  # (C, C)
            if self.in_proj_bias is not None:
                self.in_proj_bias.grad[rows] += d_rows.sum(axis=0)  # (C,)
            gradients.append(d @ self.in_proj_weight.data[rows])  # (N, T, C), (N, S, C) twice
        return gradients[0], gradients[1] + gradients[2]

    def _split(self, x):
        """Return the heads (N, H, T, D) of x (N, T, C)."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).swapaxes(1, 2)

    def _merge(self, y):
        """Return y (N, T, C) of the heads (N, H, T, D)."""
        return y.swapaxes(1, 2).reshape(len(y), y.shape[2], self.embed_dim)

    def _bias(self, mask, q, k):
        """Return what is added to the scores: -inf where a query must not attend."""
        bias = _hidden(q, k) if self.is_causal else 0.0  # (T, S)
        return bias if mask is None else bias + as_bias(mask, q)  # (N or 1, H or 1, T, S)

    def _draw(self, p):
        """Return dropout's factors of the weights p, or 1 if there is none."""
        if self.training and self.dropout > 0:
            return draws.attention_factors(p, self.dropout, self.is_causal)  # (N, H, T, S)
        return 1.0

    def flops(self, x: Array, y: Array) -> int:
        n, t, c = x.shape
        return 6 * n * t * c * c + 4 * n * t * t * c  # as self-attention; out_proj counts its own

    def extra_repr(self) -> str:
        return (
            f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, "
            f"bias={self.in_proj_bias is not None}, is_causal={self.is_causal}"
        )


def _scores(q, k):
    """Return q kᵀ/√D, (N, H, T, S)."""
    return q / math.sqrt(q.shape[-1]) @ k.swapaxes(-1, -2)


def _softmax(s):
    """Return exp(s) / Σ exp(s) of each row; zeros for a row of -inf, where every key is masked."""
    lowest = float(np.finfo(s.dtype).min) / 2
    exp = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True), lowest))  # (N, H, T, S)
    total = np.maximum(exp.sum(axis=-1, keepdims=True), 1)  # Σ ≥ 1, as the largest is exp(0)
    return exp / total  # (N, H, T, S)


def _hidden(q, k):
    """Return the causal mask (T, S), the last query seeing all keys: -inf at later keys, else 0."""
    t, s = q.shape[2], k.shape[2]
    return np.triu(np.full_like(q, -np.inf, shape=(t, s)), 1 + s - t)


def as_bias(mask: Array, like: Array) -> Array:
    """Return a mask as numbers to add to scores, (N or 1, H or 1, T, S), of like's dtype."""
    mask = np.asarray(mask, like=like)  # to its device
    if mask.dtype.kind == "b":
        mask = np.where(mask, 0, -np.inf)
    shape = (mask.shape[0], 1, *mask.shape[1:]) if mask.ndim == 3 else (1, 1, *mask.shape)[-4:]
    return mask.astype(like.dtype, copy=False).reshape(shape)
