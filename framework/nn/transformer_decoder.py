"""TransformerDecoderLayer: as the encoder's, and in between a look at what was encoded."""

from firstlight.module import Module
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.dropout import Dropout
from firstlight.nn.layernorm import LayerNorm
from firstlight.nn.linear import Linear
from firstlight.nn.recompute import replayed, unsaved
from firstlight.nn.transformer import activation_named
from firstlight.support.rng import dropout_place


class TransformerDecoderLayer(Module):
    """Look at the own sequence, then at another one (the memory), then think.

    Formula, with the feed-forward f and dropout on every branch::

        pre-norm:   a = x + self(norm₁(x))    b = a + cross(norm₂(a), m)    y = b + f(norm₃(b))
        post-norm:  a = norm₁(x + self(x))    b = norm₂(a + cross(a, m))    y = norm₃(b + f(b))

    Gradient: line by line backwards, as in `TransformerEncoderLayer`; the memory m takes part
    through ``cross`` only, whose backward returns two gradients.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias
        As in `TransformerEncoderLayer`.
    is_causal : bool
        Position i of x sees positions 0 ... i of x only; all see the whole memory.
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

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        norm_first=False,
        bias=True,
        *,
        is_causal=False,
        recompute=False,
        rng=None,
    ):
        phi = activation_named("TransformerDecoderLayer", activation)
        self.norm_first, self.recompute = norm_first, recompute
        self.self_attn = MultiHeadAttention(
            d_model, nhead, dropout, bias, is_causal=is_causal, rng=rng
        )
        self.multihead_attn = MultiHeadAttention(d_model, nhead, dropout, bias, rng=rng)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng)
        self.activation = phi()
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))

    def forward(self, x, memory, mask=None, memory_mask=None):
        """Return y for x (N, T, C) and memory (N, S, C); masks as in `MultiHeadAttention`."""
        inputs = (x, memory, mask, memory_mask)
        if not self.recompute or self._stack is None:
            return self._forward(*inputs)
        self.save(inputs, dropout_place())
        with unsaved(self):
            return self._forward(*inputs)

    def backward(self, dy):
        """Return (dx, dmemory)."""
        if self.recompute:
            inputs, state = self.saved()
            with replayed(state):
                self._forward(*inputs)
        return self._backward(dy)

    def _forward(self, x, memory, mask, memory_mask):
        if self.norm_first:
            a = x + self._attend(self.norm1(x), mask)
            b = a + self._look(self.norm2(a), memory, memory_mask)
            return b + self._feed(self.norm3(b))
        a = self.norm1(x + self._attend(x, mask))
        b = self.norm2(a + self._look(a, memory, memory_mask))
        return self.norm3(b + self._feed(b))

    def _backward(self, dy):
        if self.norm_first:
            db = dy + self.norm3.backward(self._feed_backward(dy))
            d, dmemory = self._look_backward(db)
            da = db + self.norm2.backward(d)
            return da + self.norm1.backward(self._attend_backward(da)), dmemory
        u = self.norm3.backward(dy)
        v = self.norm2.backward(u + self._feed_backward(u))
        d, dmemory = self._look_backward(v)
        w = self.norm1.backward(v + d)
        return w + self._attend_backward(w), dmemory

    def _attend(self, x, mask):
        return self.dropout1(self.self_attn(x, None, mask))

    def _attend_backward(self, dy):
        return self.self_attn.backward(self.dropout1.backward(dy))

    def _look(self, x, memory, mask):
        return self.dropout2(self.multihead_attn(x, memory, mask))

    def _look_backward(self, dy):
        return self.multihead_attn.backward(self.dropout2.backward(dy))

    def _feed(self, x):
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.dropout3(self.linear2(hidden))

    def _feed_backward(self, dy):
        dhidden = self.linear2.backward(self.dropout3.backward(dy))
        return self.linear1.backward(self.activation.backward(self.dropout.backward(dhidden)))

    def flops(self, x, y):
        return 0  # all in the layers

    def extra_repr(self):
        return f"norm_first={self.norm_first}"
