"""TransformerEncoderLayer: attention, then a feed-forward, each around a shortcut."""

from firstlight.module import Module
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.dropout import Dropout
from firstlight.nn.gelu import GELU
from firstlight.nn.layernorm import LayerNorm
from firstlight.nn.linear import Linear
from firstlight.nn.recompute import replayed, unsaved
from firstlight.nn.relu import ReLU
from firstlight.support.rng import dropout_place

ACTIVATIONS = {"relu": ReLU, "gelu": GELU}


class TransformerEncoderLayer(Module):
    """Let the positions of a sequence look at each other, then let each think by itself.

    Formula, with f(x) = W₂ φ(W₁ x) and dropout on every branch; ``norm_first`` (pre-norm) trains
    without a warm-up, post-norm is the original::

        pre-norm:   h = x + attention(norm₁(x))       y = h + f(norm₂(h))
        post-norm:  h = norm₁(x + attention(x))       y = norm₂(h + f(h))

    Gradient: where x goes both through the branch and past it, its gradients add::

        pre-norm:   dh = dy + norm₂'(f'(dy))          dx = dh + norm₁'(attention'(dh))
        post-norm:  u = norm₂'(dy), dh = u + f'(u)    v = norm₁'(dh), dx = v + attention'(v)

    Parameters
    ----------
    d_model, nhead : int
        Numbers a position (C) and heads.
    dim_feedforward : int
        Width of the hidden layer of f.
    dropout : float
    activation : {"relu", "gelu"}
        φ.
    layer_norm_eps : float
    norm_first : bool
    bias : bool
    is_causal : bool
        Position i sees positions 0 ... i only.
    recompute : bool
        Keep only x for backward, and run forward again then; see `firstlight.nn.recompute`.
    rng : numpy.random.Generator, optional
        Where the initial values come from.

    Raises
    ------
    ValueError
        An unknown activation; see `MultiHeadAttention` for the rest.

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
        phi = activation_named("TransformerEncoderLayer", activation)
        self.norm_first, self.recompute = norm_first, recompute
        self.self_attn = MultiHeadAttention(
            d_model, nhead, dropout, bias, is_causal=is_causal, rng=rng
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng)
        self.activation = phi()
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, x, mask=None):
        """Return y for x (N, T, C); the mask is as in `MultiHeadAttention`."""
        if not self.recompute or self._stack is None:
            return self._forward(x, mask)
        self.save(x, mask, dropout_place())
        with unsaved(self):
            return self._forward(x, mask)

    def backward(self, dy):
        """Return dx."""
        if self.recompute:
            x, mask, state = self.saved()
            with replayed(state):
                self._forward(x, mask)
        return self._backward(dy)

    def _forward(self, x, mask):
        if self.norm_first:
            h = x + self._attend(self.norm1(x), mask)
            return h + self._feed(self.norm2(h))
        h = self.norm1(x + self._attend(x, mask))
        return self.norm2(h + self._feed(h))

    def _backward(self, dy):
        if self.norm_first:
            dh = dy + self.norm2.backward(self._feed_backward(dy))
            return dh + self.norm1.backward(self._attend_backward(dh))
        u = self.norm2.backward(dy)
        v = self.norm1.backward(u + self._feed_backward(u))
        return v + self._attend_backward(v)

    def _attend(self, x, mask):
        return self.dropout1(self.self_attn(x, None, mask))

    def _attend_backward(self, dy):
        return self.self_attn.backward(self.dropout1.backward(dy))

    def _feed(self, x):
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.dropout2(self.linear2(hidden))

    def _feed_backward(self, dy):
        dhidden = self.linear2.backward(self.dropout2.backward(dy))
        return self.linear1.backward(self.activation.backward(self.dropout.backward(dhidden)))

    def flops(self, x, y):
        return 0  # all in the layers

    def extra_repr(self):
        return f"norm_first={self.norm_first}"


def activation_named(who, name):
    """Return the class of an activation, or raise a ValueError that lists them."""
    if name not in ACTIVATIONS:
        raise ValueError(f"{who}: expected activation {' or '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]
