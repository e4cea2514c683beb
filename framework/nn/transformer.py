"""TransformerEncoderLayer and TransformerDecoderLayer: residual attention and feed-forward."""

from typing import Any

from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.dropout import Dropout
from firstlight.nn.gelu import GELU
from firstlight.nn.layernorm import LayerNorm
from firstlight.nn.linear import Linear
from firstlight.nn.recompute import replay, run
from firstlight.nn.relu import ReLU
from firstlight.support.array import Array

ACTIVATIONS = {"relu": ReLU, "gelu": GELU}


class _TransformerLayer(Module):
    """Base of both layers: attention, feed-forward, norms, and recomputation."""

    has_memory: bool = False  # attends to a second sequence too

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        *,
        is_causal: bool = False,
        recompute: bool = False,
        rng: Generator | None = None,
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"{self._name}: expected activation {' or '.join(ACTIVATIONS)}, got {activation!r}"
            )
        self.norm_first = norm_first
        self.recompute = recompute
        self.self_attn: MultiHeadAttention = MultiHeadAttention(
            d_model, nhead, dropout, bias, is_causal=is_causal, rng=rng
        )
        if self.has_memory:
            self.multihead_attn: MultiHeadAttention = MultiHeadAttention(
                d_model, nhead, dropout, bias, rng=rng
            )
        self.linear1: Linear = Linear(d_model, dim_feedforward, bias, rng=rng)
        self.activation: ReLU | GELU = ACTIVATIONS[activation]()
        self.dropout: Dropout = Dropout(dropout)
        self.linear2: Linear = Linear(dim_feedforward, d_model, bias, rng=rng)
        self.norm1: LayerNorm = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2: LayerNorm = LayerNorm(d_model, layer_norm_eps, bias=bias)
        if self.has_memory:
            self.norm3: LayerNorm = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1: Dropout = Dropout(dropout)
        self.dropout2: Dropout = Dropout(dropout)
        if self.has_memory:
            self.dropout3: Dropout = Dropout(dropout)

    def backward(self, dy: Array) -> Any:
        replay(self)
        return self._backward(dy)

    def _attend(self, x, mask):
        return self.dropout1(self.self_attn(x, None, mask))

    def _attend_backward(self, dy):
        return self.self_attn.backward(self.dropout1.backward(dy))

    def _feed(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _feed_backward(self, dy):
        dhidden = self.dropout.backward(self.linear2.backward(dy))
        return self.linear1.backward(self.activation.backward(dhidden))

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by its layers

    def extra_repr(self) -> str:
        return f"norm_first={self.norm_first}"


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention and a feed-forward, each with a residual connection and a norm.

    Formula, with f(x) = W₂ φ(W₁ x) and dropout on every branch; pre-norm (``norm_first``) trains
    without a warm-up, post-norm is the original::

        pre-norm:   h = x + attention(norm₁(x))       y = h + f(norm₂(h))
        post-norm:  h = norm₁(x + attention(x))       y = norm₂(h + f(h))

    Gradient: the gradients of the branch and of the residual path add::

        pre-norm:   dh = dy + norm₂'(f'(dy))          dx = dh + norm₁'(attention'(dh))
        post-norm:  u = norm₂'(dy), dh = u + f'(u)    v = norm₁'(dh), dx = v + attention'(v)

    Parameters
    ----------
    d_model, nhead : int
        Numbers per position (C), and heads.
    dim_feedforward : int
        Width of the hidden layer of f.
    dropout : float
    activation : {"relu", "gelu"}
        φ.
    layer_norm_eps : float
    norm_first : bool
    bias : bool
    is_causal : bool
        If True, position i sees positions 0 ... i only.
    recompute : bool
        If True, save only x for backward and run forward again; see `firstlight.nn.recompute`.
    rng : numpy.random.Generator, optional
        Generator of the initial values.

    Raises
    ------
    ValueError
        An unknown activation; see also `MultiHeadAttention`.

    References
    ----------
    Vaswani et al., 2017, section 3.1; Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020 (pre-norm).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, norm_first=True)
    >>> layer(np.ones((3, 5, 8), "float32")).shape
    (3, 5, 8)
    """

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        """Return y for x (N, T, C); the mask is as in `MultiHeadAttention`."""
        return run(self, x, mask)

    def _forward(self, x, mask):  # x (N, T, C)
        if self.norm_first:
            branch = self._attend(self.norm1(x), mask)  # (N, T, C)
            h, normed = self.norm2.forward_sum(x, branch)  # (N, T, C) each
            return h + self.dropout2(self._feed(normed))
        h = self.norm1(x + self._attend(x, mask))  # (N, T, C)
        return self.norm2(h + self.dropout2(self._feed(h)))

    def _backward(self, dy):  # dy (N, T, C)
        if self.norm_first:
            d = self._feed_backward(self.dropout2.backward(dy))
            dh = self.norm2.backward_sum(d, dy)  # (N, T, C)
            return self.norm1.backward_sum(self._attend_backward(dh), dh)
        u = self.norm2.backward(dy)  # (N, T, C)
        v = self.norm1.backward(u + self._feed_backward(self.dropout2.backward(u)))
        return v + self._attend_backward(v)


class TransformerDecoderLayer(_TransformerLayer):
    """Self-attention, attention to another sequence (the memory), and a feed-forward.

    Formula, with the feed-forward f and dropout on every branch::

        pre-norm:   a = x + self(norm₁(x))    b = a + cross(norm₂(a), m)    y = b + f(norm₃(b))
        post-norm:  a = norm₁(x + self(x))    b = norm₂(a + cross(a, m))    y = norm₃(b + f(b))

    Gradient: in reverse order, as in `TransformerEncoderLayer`; the memory m is used by ``cross``
    only, whose backward returns two gradients.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias
        As in `TransformerEncoderLayer`.
    is_causal : bool
        If True, position i of x sees positions 0 ... i of x only; all see the whole memory.
    recompute, rng
        As in `TransformerEncoderLayer`.

    Raises
    ------
    ValueError
        As in `TransformerEncoderLayer`.

    References
    ----------
    Vaswani et al., 2017, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
    >>> x, memory = np.ones((3, 5, 8), "float32"), np.ones((3, 9, 8), "float32")
    >>> y = layer(x, memory)
    >>> [d.shape for d in layer.backward(y)]
    [(3, 5, 8), (3, 9, 8)]
    """

    has_memory: bool = True

    def forward(
        self,
        x: Array,
        memory: Array,
        mask: Array | None = None,
        memory_mask: Array | None = None,
    ) -> Array:
        """Return y for x (N, T, C) and memory (N, S, C); masks as in `MultiHeadAttention`."""
        return run(self, x, memory, mask, memory_mask)

    def _forward(self, x, memory, mask, memory_mask):  # x (N, T, C), memory (N, S, C)
        if self.norm_first:
            a = x + self._attend(self.norm1(x), mask)  # (N, T, C)
            b = a + self._look(self.norm2(a), memory, memory_mask)
            return b + self.dropout3(self._feed(self.norm3(b)))
        a = self.norm1(x + self._attend(x, mask))
        b = self.norm2(a + self._look(a, memory, memory_mask))
        return self.norm3(b + self.dropout3(self._feed(b)))

    def _backward(self, dy):  # dy (N, T, C)
        if self.norm_first:
            d = self._feed_backward(self.dropout3.backward(dy))
            db = dy + self.norm3.backward(d)
            d, dmemory = self._look_backward(db)  # (N, T, C), (N, S, C)
            da = db + self.norm2.backward(d)
            return da + self.norm1.backward(self._attend_backward(da)), dmemory
        u = self.norm3.backward(dy)
        v = self.norm2.backward(u + self._feed_backward(self.dropout3.backward(u)))
        d, dmemory = self._look_backward(v)  # (N, T, C), (N, S, C)
        w = self.norm1.backward(v + d)
        return w + self._attend_backward(w), dmemory

    def _look(self, x, memory, mask):
        return self.dropout2(self.multihead_attn(x, memory, mask))

    def _look_backward(self, dy):
        return self.multihead_attn.backward(self.dropout2.backward(dy))
