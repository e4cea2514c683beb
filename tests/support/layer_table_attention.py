"""Cases of attention and what Transformers are made of; `layer_table.py` adds them.

Layers with two inputs, and with a mask, stand inside small modules that make one input of them.
"""

import numpy as np

from firstlight import Module, nn


class Cross(Module):
    """Feed the first 3 positions of x as queries, the others as the context, to a layer."""

    def __init__(self, layer, *masks):
        self.layer, self.masks = layer, masks

    def forward(self, x):
        return self.layer(x[:, :3], x[:, 3:], *self.masks)

    def backward(self, dy):
        return np.concatenate(self.layer.backward(dy), axis=1)


class Masked(Module):
    """Give a layer a mask with x; ``make()`` makes it."""

    def __init__(self, layer, make, *before):
        self.layer, self.make, self.before = layer, make, before

    def forward(self, x):
        return self.layer(x, *self.before, self.make())

    def backward(self, dy):
        return self.layer.backward(dy)


def boolean_mask(*shape):
    """A mask that hides a third, and from one query everything."""
    mask = np.random.default_rng(1).random(shape) > 0.3
    mask[..., 0, :] = False
    return mask


def additive_mask(*shape):
    mask = np.random.default_rng(2).standard_normal(shape)
    mask[..., 1, 2:] = -np.inf
    return mask


def attention(**options):
    return nn.MultiHeadAttention(8, 2, **options)


def cases(Case, floats):
    x, pair = floats(3, 5, 8), floats(3, 9, 8)
    return [
        Case("MultiHeadAttention", attention, x),
        Case("MultiHeadAttention, causal", lambda: attention(bias=False, is_causal=True), x),
        Case(
            "MultiHeadAttention, causal, tiles",
            lambda: attention(is_causal=True),
            floats(2, 300, 8),
        ),
        *(
            Case(
                f"MultiHeadAttention, tiles, dropout, is_causal={causal}",
                lambda c=causal: attention(is_causal=c, dropout=0.3),
                floats(2, 300, 8),
            )
            for causal in (False, True)
        ),
        Case("MultiHeadAttention, dropout", lambda: attention(dropout=0.4), x),
        Case("MultiHeadAttention, dropout of all", lambda: attention(dropout=1.0), x),
        Case(
            "MultiHeadAttention, rotary",
            lambda: attention(rotary=nn.RotaryPositions(4), is_causal=True),
            x,
        ),
        Case(
            "MultiHeadAttention, boolean mask",
            lambda: Masked(attention(), lambda: boolean_mask(5, 5), None),
            x,
        ),
        Case(
            "MultiHeadAttention, additive mask of heads",
            lambda: Masked(attention(dropout=0.2), lambda: additive_mask(3, 2, 5, 5), None),
            x,
        ),
        Case(
            "MultiHeadAttention, rotary, cross, causal",
            lambda: Cross(attention(rotary=nn.RotaryPositions(4), is_causal=True, dropout=0.2)),
            pair,
        ),
        Case("MultiHeadAttention, cross", lambda: Cross(attention(dropout=0.2)), pair),
        Case(
            "MultiHeadAttention, cross, masked",
            lambda: Cross(attention(bias=False), boolean_mask(3, 3, 6)),
            pair,
        ),
        Case("FeedForward", lambda: nn.FeedForward(8, dropout=0.3), x),
        Case(
            "FeedForward, tanh, no bias",
            lambda: nn.FeedForward(8, 6, bias=False, approximate="tanh"),
            x,
        ),
        Case("SwiGLU", lambda: nn.SwiGLU(8), x),
        Case("SwiGLU, bias", lambda: nn.SwiGLU(8, 5, bias=True), x),
        Case("SinusoidalPositions", lambda: nn.SinusoidalPositions(8), x),
        Case("RotaryPositions", lambda: nn.RotaryPositions(8), x),
        Case("RotaryPositions, 4 axes", lambda: nn.RotaryPositions(4, 50.0), floats(2, 3, 5, 4)),
        Case("PatchEmbedding", lambda: nn.PatchEmbedding(3, 5, 2), floats(2, 4, 6, 3)),
        Case(
            "PatchEmbedding, needs_dx=False",
            lambda: nn.PatchEmbedding(1, 5, 4, needs_dx=False),
            floats(2, 8, 4, 1),
        ),
        *(
            Case(f"TransformerEncoderLayer, {options}", lambda o=options: encoder(**o), x)
            for options in [
                {},
                {"norm_first": True, "is_causal": True, "bias": False},
                {"norm_first": True, "recompute": True},
            ]
        ),
        *(
            Case(
                f"TransformerDecoderLayer, {options}",
                lambda o=options: Cross(decoder(**o), None, boolean_mask(3, 6)),
                pair,
            )
            for options in [{}, {"norm_first": True}, {"recompute": True}]
        ),
    ]


def encoder(**options):
    return nn.TransformerEncoderLayer(8, 2, 12, 0.2, "gelu", **options)


def decoder(**options):
    return nn.TransformerDecoderLayer(8, 2, 12, 0.2, "gelu", is_causal=True, **options)
