"""Compiled forms of the two halves of a Transformer's block.

Each core computes its share of the batch in one call, products included. So a thread is woken once
for a layer, and what one product writes is in the cache for the next.
"""

from typing import Any

import numpy as np

from firstlight.fast.blocked import attention_tiles
from firstlight.fast.blocked.attention import BlockedAttention
from firstlight.fast.compiled.parts import in_parts, sum_in_parts
from firstlight.fast.conditions import compiled_products, many_numbers, numpy_float32
from firstlight.module import Module
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.feedforward import FeedForward
from firstlight.nn.gelu import GELU
from firstlight.nn.linear import Linear
from firstlight.support.array import Array
from firstlight.support.forms import form


def plain_parts(layer: FeedForward, x: Array) -> bool:
    """Linear layers and a GELU that nothing has replaced or wrapped."""
    return (
        _is_plain(layer.linear1, Linear)
        and _is_plain(layer.activation, GELU)
        and _is_plain(layer.linear2, Linear)
        and layer.linear1.needs_dx
        and layer.linear2.needs_dx
    )


@form(FeedForward, when=[numpy_float32, compiled_products, plain_parts, many_numbers])
class CompiledFeedForward:
    """Compute both products and GELU for a block of rows while it is in the cache."""

    def forward(self, layer: FeedForward, x: Array) -> Array:  # x (..., C)
        from firstlight.fast.compiled.feedforward import forward

        rows = np.ascontiguousarray(x.reshape(-1, x.shape[-1]))  # (N, C)
        count, hidden = len(rows), layer.linear1.out_features
        a = np.empty_like(rows, shape=(count, hidden))  # (N, hidden)
        slope = np.empty_like(a) if layer.saves else a[:0]  # (N, hidden)
        y = np.empty_like(rows)  # (N, C)
        weights = (*_weights(layer.linear1), *_weights(layer.linear2))
        approximate = layer.activation.approximate == "tanh"

        def part(start, stop):
            n = slice(start, stop)
            forward(rows[n], *weights, approximate, a[n], slope[n], y[n])

        in_parts(part, count, 4 * rows.size * hidden)
        layer.save(rows, a, slope)
        return layer.dropout(y.reshape(x.shape))

    def backward(self, layer: FeedForward, dy: Array) -> Array:  # dy (..., C)
        from firstlight.fast.compiled.feedforward import backward

        rows, a, slope = layer.saved()
        dy_rows = np.ascontiguousarray(layer.dropout.backward(dy).reshape(rows.shape))  # (N, C)
        dx = np.empty_like(rows)  # (N, C)
        w1, w2 = layer.linear1.weight.data, layer.linear2.weight.data

        def part(start, stop, share, *gradients):
            n = slice(start, stop)
            backward(dy_rows[n], rows[n], a[n], slope[n], w1, w2, share, *gradients, dx[n])

        gradients = (*_gradients(layer.linear1), *_gradients(layer.linear2))
        sum_in_parts(part, len(rows), 8 * rows.size * a.shape[1], gradients)
        return dx.reshape(dy.shape)


@form(MultiHeadAttention, when=[numpy_float32, compiled_products, many_numbers])
class CompiledAttention(BlockedAttention):
    """Compute all heads of some samples in one call, unless there is a mask or dropout."""

    def forward(
        self,
        layer: MultiHeadAttention,
        x: Array,
        context: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        if not (context is mask is None and _is_simple(layer)):
            return super().forward(layer, x, context, mask)
        from firstlight.fast.compiled.attention_layer import forward

        x = np.ascontiguousarray(x)
        count, queries, width = x.shape
        qkv = np.empty_like(x, shape=(count, queries, 3 * width))
        y, out = np.empty_like(x), np.empty_like(x)
        lse = np.empty_like(x, shape=(count, layer.num_heads, queries))
        weights = (layer.in_proj_weight.data, _or_empty(layer.in_proj_bias, "data"))
        weights += _weights(layer.out_proj)

        def part(start, stop):
            n = slice(start, stop)
            forward(x[n], *weights, layer.is_causal, qkv[n], y[n], lse[n], out[n])

        in_parts(part, count, x.size * (8 * width + 4 * queries))
        layer.save(x, qkv, y, lse)
        return out

    def backward(self, layer: MultiHeadAttention, dy: Array) -> Any:
        saved = layer.saved()
        if len(saved) > 4:
            return self.differentiate(layer, dy, *saved)
        from firstlight.fast.compiled.attention_layer import backward

        x, qkv, y, lse = saved
        dy, dx = np.ascontiguousarray(dy), np.empty_like(x)
        w_in, w_out = layer.in_proj_weight.data, layer.out_proj.weight.data

        def part(start, stop, share, *gradients):
            n = slice(start, stop)
            backward(
                dy[n], x[n], w_in, w_out, layer.is_causal, qkv[n], y[n], lse[n],
                share, *gradients, dx[n],
            )  # fmt: skip

        gradients = (layer.in_proj_weight.grad, _or_empty(layer.in_proj_bias, "grad"))
        gradients += _gradients(layer.out_proj)
        flops = x.size * (16 * x.shape[2] + 10 * x.shape[1])
        sum_in_parts(part, len(x), flops, gradients)
        return dx

    @staticmethod
    def attend(*arrays: Array, **options: Any) -> Array:
        from firstlight.fast.compiled.attention import attend

        return attention_tiles.attend(*arrays, plain=attend, **options)

    @staticmethod
    def attend_backward(*arrays: Array, **options: Any) -> None:
        from firstlight.fast.compiled.attention import attend_backward

        attention_tiles.attend_backward(*arrays, plain=attend_backward, **options)


def _is_simple(layer):
    """Return True without dropout and rotary positions, and with a plain output layer."""
    dropout = layer.training and layer.dropout
    return not dropout and layer.rotary is None and _is_plain(layer.out_proj, Linear)


def _is_plain(part: Module, kind: type[Module]) -> bool:
    """Return True unless a part is of another class, or its methods are replaced or wrapped."""
    own = vars(part)
    return type(part) is kind and "forward" not in own and "backward" not in own


def _weights(layer):
    return layer.weight.data, _or_empty(layer.bias, "data")


def _gradients(layer):
    return layer.weight.grad, _or_empty(layer.bias, "grad")


def _or_empty(parameter, name):
    return np.empty(0, np.float32) if parameter is None else getattr(parameter, name)
