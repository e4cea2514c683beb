"""Converters of attention and positions."""

import math
from typing import Any

import numpy as np

from firstlight import nn
from firstlight.nn.attention import as_bias
from firstlight.tools.onnx.converters.linear import linear
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter
from firstlight.tools.tracing.symbolic import Dim

HEADS = (0, 2, 1, 3)  # (N, T, H, D) -> (N, H, T, D) and back
KEYS = (0, 2, 3, 1)  # (N, S, H, D) -> (N, H, D, S)


@converter(nn.MultiHeadAttention)
def attention(
    g: Graph, layer: nn.MultiHeadAttention, x: Value, context: Any = None, mask: Any = None
) -> Value:
    """Write the formula of the layer."""
    c = x if context is None else context
    t, s, d = x.shape[1], c.shape[1], layer.head_dim
    q, v = _heads(g, layer, 0, x), _heads(g, layer, 2, c)
    if layer.rotary is None:
        k = _heads(g, layer, 1, c, KEYS)
    else:
        q = turned(g, layer.rotary, q, t)
        k = g.add(
            "Transpose", turned(g, layer.rotary, _heads(g, layer, 1, c), s), perm=(0, 1, 3, 2)
        )
    q = g.add("Div", q, g.number(math.sqrt(d), x.dtype))
    scores = g.add("MatMul", q, k)  # (N, H, T, S)
    if layer.is_causal:
        scores = g.add("Add", scores, _hidden(g, t, s, x.dtype))
    if mask is not None:
        scores = g.add("Add", scores, _as_bias(g, mask, x.dtype))
    p = g.add("Softmax", scores, axis=-1) if mask is None else _masked_softmax(g, scores, x.dtype)
    y = g.add("Transpose", g.add("MatMul", p, v), perm=HEADS)  # (N, T, H, D)
    y = g.add("Reshape", y, g.ints(0, 0, layer.embed_dim))
    return linear(g, layer.out_proj, Value(y, x.shape, x.dtype))


def _heads(g, layer, part, source, perm=HEADS):
    """Return q, k or v as (N, H, T, D), or in another order of axes."""
    width = layer.embed_dim
    rows = slice(part * width, (part + 1) * width)
    weight = layer.in_proj_weight.data[rows].T
    prefix = f"{g.scope}.".lstrip(".") + f"in_proj_{'qkv'[part]}"
    y = g.add("MatMul", g.plain(source), g.constant(weight, f"{prefix}.weight"))
    if layer.in_proj_bias is not None:
        y = g.add("Add", y, g.constant(layer.in_proj_bias.data[rows], f"{prefix}.bias"))
    y = g.add("Reshape", y, g.ints(0, 0, layer.num_heads, layer.head_dim))
    return g.add("Transpose", y, perm=perm)


def _hidden(g, t, s, dtype):
    """Return the name of (T, S) with -inf where a query must not attend, made once."""

    def make():
        if not isinstance(t, Dim) and not isinstance(s, Dim):
            return g.constant(np.triu(np.full((t, s), -np.inf, dtype), 1 + s - t))
        full = g.add("Expand", g.number(-np.inf, dtype), g.shape((t, s)))
        if s == t:
            return g.add("Trilu", full, g.number(1, np.int64), upper=1)
        shift = g.add("Add", g.add("Sub", g.size(s), g.size(t)), g.ints(1))
        return g.add("Trilu", full, g.add("Squeeze", shift, g.ints(0)), upper=1)

    with g.inside("causal"):
        return g.cached(("causal", t, s), make)


def _as_bias(g, mask, dtype):
    """Return the name of what is added to the scores for a mask."""
    if not isinstance(mask, Value):
        return g.constant(as_bias(mask, np.zeros(0, dtype)))
    name = g.plain(mask)
    if mask.dtype == np.bool_:
        name = g.add("Where", name, g.number(0, dtype), g.number(-np.inf, dtype))
    else:
        name = g.cast(name, mask.dtype, dtype)
    return g.add("Unsqueeze", name, g.ints(1)) if mask.ndim == 3 else name


def _masked_softmax(g, scores, dtype):
    """Return softmax, in which a row that is hidden altogether gives zeros."""
    lowest = g.number(float(np.finfo(dtype).min) / 2, dtype)
    largest = g.add("Max", g.add("ReduceMax", scores, g.ints(-1)), lowest)
    exp = g.add("Exp", g.add("Sub", scores, largest))
    total = g.add("Max", g.add("ReduceSum", exp, g.ints(-1)), g.number(1, dtype))
    return g.add("Div", exp, total)


def _waves(g, count, width, base, dtype):
    """Return the names of cosine and sine (T, width/2), made once; computed in float64."""
    frequency = base ** (-2 * np.arange(width // 2) / width)

    def make():
        if not isinstance(count, Dim):
            angles = np.arange(count)[:, None] * frequency
            return [g.constant(f(angles).astype(dtype)) for f in (np.cos, np.sin)]
        count_ = g.add("Squeeze", g.size(count), g.ints(0))
        zero, one = (g.number(n, np.int64) for n in (0, 1))
        t = g.cast(g.add("Range", zero, count_, one), np.int64, np.float64)
        t = g.add("Unsqueeze", t, g.ints(1))
        angles = g.add("Mul", t, g.constant(frequency))
        shifted = g.add("Add", angles, g.number(np.pi / 2, np.float64))  # cos a = sin(a + π/2)
        return [g.cast(g.add("Sin", a), np.float64, dtype) for a in (shifted, angles)]

    with g.inside("positions"):
        return g.cached(("waves", count, width, base), make)


@converter(nn.SinusoidalPositions)
def sinusoidal(g: Graph, layer: nn.SinusoidalPositions, x: Value) -> Value:
    """Write x plus the table of positions."""
    count, width = x.shape[-2:]
    cos, sin = _waves(g, count, width, 10000.0, x.dtype)
    pairs = [g.add("Unsqueeze", name, g.ints(2)) for name in (sin, cos)]
    table = g.add("Reshape", g.add("Concat", *pairs, axis=2), g.ints(-1, width))
    return Value(g.add("Add", g.plain(x), table))


@converter(nn.RotaryPositions)
def rotary(g: Graph, layer: nn.RotaryPositions, x: Value) -> Value:
    """Write the rotation of pairs."""
    return Value(turned(g, layer, g.plain(x), x.shape[-2], x.dtype))


def turned(g: Graph, layer: nn.RotaryPositions, x: str, count: Any, dtype: Any = None) -> str:
    """Return the name of x turned by its positions."""
    cos, sin = _waves(g, count, layer.head_dim, layer.base, dtype or g.dtype)
    low, high = g.add("Split", x, outputs=2, axis=-1, num_outputs=2)
    one = g.add("Sub", g.add("Mul", low, cos), g.add("Mul", high, sin))
    two = g.add("Add", g.add("Mul", high, cos), g.add("Mul", low, sin))
    return g.add("Concat", one, two, axis=-1)
