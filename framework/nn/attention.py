"""MultiHeadAttention, and KeyValueCache for generation."""

from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight import fast
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype
from firstlight.nn.linear import Linear
from firstlight.nn.positions import RotaryPositions
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class MultiHeadAttention(Module):
    """Attend: each position takes a weighted mean of all positions, per head.

    Formula, for one sample and head, with D = C / num_heads, and the context c, which is x unless
    given::

        q = x W_qᵀ + b_q      k = c W_kᵀ + b_k      v = c W_vᵀ + b_v
        s = q kᵀ/√D + mask                          scores, (T, S)
        p = softmax(s)                              weights: row i sums to 1
        y = concat(p v of all heads) W_oᵀ + b_o

    Gradient, with g = dL/d(p v), from the last line back (derivation: docs/derivations.md)::

        dv = pᵀ g      dp = g vᵀ      ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij)
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
        _check_sizes(embed_dim, num_heads, dropout)
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
        _check_inputs(self, x, context)
        q, k, v = self._project(x, context)  # (N, H, T, D), (N, H, S, D) twice
        options = {"bias": _as_bias(mask, q, k), "causal": self.is_causal}
        if self.training and self.dropout:
            options |= {"dropout": self.dropout, "seeds": fast.dropout_seeds(x)}
        y = np.empty_like(q, shape=x.shape)  # (N, T, C)
        lse = fast.attention(q, k, v, *self._heads(y), **options)
        self.save(x, context, q, k, v, y, lse, options)
        return self.out_proj(y)

    def backward(self, dy: Array) -> Any:
        """Return dx, or (dx, dcontext) if forward had a context."""
        x, context, q, k, v, y, lse, options = self.saved()
        self.check_dy(dy, x.shape)
        g = self.out_proj.backward(dy)  # (N, T, C)
        parts = self._parts(x, context)
        dprojected = [  # (N, T, 3C), or (N, T, C) and (N, S, 2C)
            np.empty_like(q, shape=(*source.shape[:2], rows.stop - rows.start))
            for source, rows in parts
        ]
        dq, dk, dv = self._heads(*dprojected)
        fast.attention_backward(
            *self._heads(g), q, k, v, *self._heads(y), lse, dq, dk, dv, **options
        )
        if self.rotary is not None:
            dq[...], dk[...] = self.rotary.turn(dq, back=True), self.rotary.turn(dk, back=True)
        gradients = []
        for (source, rows), d in zip(parts, dprojected, strict=True):
            flat = d.reshape(-1, d.shape[-1])
            grad = self.in_proj_weight.grad[rows]
            fast.matmul(
                flat.T, source.reshape(len(flat), self.embed_dim), out=grad, accumulate=True
            )
            if self.in_proj_bias is not None:
                self.in_proj_bias.grad[rows] += fast.channel_sums(flat)
            gradients.append(
                fast.matmul(flat, self.in_proj_weight.data[rows]).reshape(source.shape)
            )
        return gradients[0] if context is None else tuple(gradients)

    def weights(self, x: Array, context: Array | None = None, mask: Array | None = None) -> Array:
        """Return the weights p (N, H, T, S) of a forward without dropout."""
        _check_inputs(self, x, context)
        q, k, _ = self._project(x, context)
        return fast.attention_weights(q, k, bias=_as_bias(mask, q, k), causal=self.is_causal)

    def extend(self, x: Array, cache: "KeyValueCache") -> Array:
        """Return y for positions x (N, T, C) that follow those in a `KeyValueCache`."""
        _check_inputs(self, x, None)
        q, k, v = self._project(x, None, start=cache.length)
        k, v = cache.append(k, v)  # (N, H, S, D), with the cached ones
        y = np.empty_like(q, shape=x.shape)
        fast.attention(q, k, v, *self._heads(y), causal=True)
        return self.out_proj(y)

    def _parts(self, x, context):
        """Return pairs of an input and the rows of the weights that project it."""
        c = self.embed_dim
        if context is None:
            return [(x, slice(0, 3 * c))]
        return [(x, slice(0, c)), (context, slice(c, 3 * c))]

    def _project(self, x, context, start=0):
        """Return q, k and v; ``start`` is the first position."""
        projected = []
        for source, rows in self._parts(x, context):
            weight = self.in_proj_weight.data[rows]
            y = fast.matmul(source.reshape(-1, self.embed_dim), weight.T)
            if self.in_proj_bias is not None:
                y += self.in_proj_bias.data[rows]
            projected.append(y.reshape(*source.shape[:2], y.shape[1]))
        q, k, v = self._heads(*projected)
        if self.rotary is not None:
            q, k = self.rotary.turn(q, start), self.rotary.turn(k, start)
        return q, k, v

    def _heads(self, *arrays):
        """Return views (N, H, T, D) of arrays (N, T, C); three views of an array (N, T, 3C)."""
        views = []
        for array in arrays:
            count = array.shape[2] // self.embed_dim
            split = array.reshape(*array.shape[:2], count, self.num_heads, self.head_dim)
            views += list(split.transpose(2, 0, 3, 1, 4))  # (N, T, 3, H, D) -> 3 x (N, H, T, D)
        return views

    def flops(self, x: Array, y: Array) -> int:
        n, t, c = x.shape
        return 6 * n * t * c * c + 4 * n * t * t * c  # as self-attention; out_proj counts its own

    def extra_repr(self) -> str:
        return (
            f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, "
            f"bias={self.in_proj_bias is not None}, is_causal={self.is_causal}"
        )


class KeyValueCache:
    """Cache of the keys and values of one `MultiHeadAttention` layer.

    Without it, each generated token needs a forward of all tokens before it.

    Parameters
    ----------
    capacity : int
        Largest number of positions.

    Attributes
    ----------
    length : int
        Number of cached positions.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.length: int = 0
        self.keys: Array | None = None
        self.values: Array | None = None

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Append k and v of shape (N, H, T, D); return all cached ones, (N, H, S, D) each.

        Raises
        ------
        ValueError
            The capacity is exceeded.
        """
        n, h, t, d = k.shape
        if self.length + t > self.capacity:
            raise ValueError(
                f"KeyValueCache: has room for {self.capacity} positions, {self.length} are taken "
                f"and {t} more came; make it larger"
            )
        if self.keys is None:
            self.keys, self.values = (
                np.empty_like(k, shape=(n, h, self.capacity, d)) for _ in range(2)
            )
        new = slice(self.length, self.length + t)
        self.keys[:, :, new], self.values[:, :, new] = k, v
        self.length = new.stop
        return self.keys[:, :, : new.stop], self.values[:, :, : new.stop]


def _check_sizes(embed_dim, num_heads, dropout):
    """Raise a ValueError unless the heads divide embed_dim and dropout is a probability."""
    if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
        fitting = [n for n in range(1, min(max(embed_dim, 0), 64) + 1) if embed_dim % n == 0]
        raise ValueError(
            f"MultiHeadAttention: expected embed_dim to be a multiple of num_heads, got "
            f"{embed_dim} and {num_heads}; with embed_dim={embed_dim}, num_heads may be "
            f"{', '.join(map(str, fitting)) or 'nothing'}"
        )
    if not 0 <= dropout <= 1:
        raise ValueError(f"MultiHeadAttention: expected dropout from 0 to 1, got {dropout}")


def _check_inputs(layer, x, context):
    """Raise a ValueError or TypeError unless x and the context are (N, T, C) and (N, S, C)."""
    dtype, width = layer.in_proj_weight.dtype, layer.embed_dim
    for name, array in (("x", x), ("context", context)):
        if array is None:
            continue
        fits = array.ndim == 3 and array.shape[1] > 0 and array.shape[2] == width
        if not fits or len(array) != len(x):
            raise ValueError(
                f"MultiHeadAttention: expected {name} of shape (samples, positions, {width}) "
                f"(embed_dim), got shape {array.shape}"
                + (f" beside x of shape {x.shape}" if name == "context" else "")
            )
        check_dtype(layer, array, dtype, name)
    if layer.is_causal and context is not None and context.shape[1] < x.shape[1]:
        raise ValueError(
            f"MultiHeadAttention: is_causal needs as many keys as queries or more, got "
            f"{context.shape[1]} and {x.shape[1]}"
        )


def _as_bias(mask, q, k):
    """Convert a mask to the bias of the scores, (N or 1, H or 1, T, S); None to None."""
    if mask is None:
        return None
    n, h, t, s = (*q.shape[:3], k.shape[2])
    if mask.ndim < 2 or mask.ndim > 4 or mask.shape[-2:] != (t, s):
        shape = None
    elif mask.ndim == 3:
        shape = (mask.shape[0], 1, t, s)
    else:
        shape = (*(1, 1), *mask.shape)[-4:]
    if shape is None or shape[0] not in (1, n) or shape[1] not in (1, h):
        raise ValueError(
            f"MultiHeadAttention: expected a mask of shape {(t, s)} (queries, keys), "
            f"{(n, t, s)} or {(n, h, t, s)}, with 1 for what is alike, got shape {mask.shape}"
        )
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"MultiHeadAttention: expected a boolean mask (True: look) or a floating-point one "
            f"(added to the scores), got {mask.dtype}; write mask.astype(bool)"
        )
    mask = np.asarray(mask, like=q)  # to the device of q
    if mask.dtype.kind == "b":
        return np.where(mask, 0, -np.inf).astype(q.dtype).reshape(shape)
    return mask.astype(q.dtype, copy=False).reshape(shape)
