"""The block of a GPT: attention and feed-forward, each around a shortcut."""

from firstlight import nn
from firstlight.module import Module
from firstlight.nn.recompute import replayed, unsaved
from firstlight.support.rng import dropout_place


class Block(Module):
    """One layer of a GPT.

    Formula, with causal attention::

        h = x + dropout(attention(norm₁(x)))
        y = h + feed_forward(norm₂(h))

    Gradient: x and h reach y through the branch and past it, so their gradients add::

        dh = dy + norm₂'(feed_forward'(dy))
        dx = dh + norm₁'(attention'(dropout'(dh)))

    Parameters
    ----------
    n_embd, n_head : int
        Numbers a position, and heads.
    dropout : float
    bias : bool
    approximate : {"none", "tanh"}
        Form of GELU.
    recompute : bool
        Keep only x for backward, and run forward again then.
    """

    def __init__(
        self, n_embd, n_head, *, dropout=0.0, bias=True, approximate="none", recompute=False
    ):
        self.recompute = recompute
        self.ln_1 = nn.LayerNorm(n_embd, bias=bias)
        self.attn = nn.MultiHeadAttention(n_embd, n_head, dropout, bias, is_causal=True)
        self.resid_dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(n_embd, bias=bias)
        self.mlp = nn.FeedForward(n_embd, None, dropout, bias, approximate=approximate)

    def forward(self, x):  # x (N, T, C)
        if not self.recompute or self._stack is None:
            return self._forward(x)
        self.save(x, dropout_place())
        with unsaved(self):
            return self._forward(x)

    def backward(self, dy):  # dy (N, T, C)
        if self.recompute:
            x, state = self.saved()
            with replayed(state):
                self._forward(x)
        dh = dy + self.ln_2.backward(self.mlp.backward(dy))
        return dh + self.ln_1.backward(self.attn.backward(self.resid_dropout.backward(dh)))

    def extend(self, x, cache):
        """Return y for positions x that follow those in the cache, in evaluation."""
        h = x + self.attn.extend(self.ln_1(x), cache)
        return h + self.mlp(self.ln_2(h))

    def _forward(self, x):
        h = x + self.resid_dropout(self.attn(self.ln_1(x)))
        return h + self.mlp(self.ln_2(h))

    def flops(self, x, y):
        return 0  # all in the layers
