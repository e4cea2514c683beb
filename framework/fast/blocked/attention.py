"""MultiHeadAttention in tiles: one product for q, k and v, and no array of all scores.

The heads are views of the products' results, and gradients are written into such views: nothing is
copied to split or merge them.
"""

from typing import Any

import numpy as np

from firstlight.fast.blocked import attention_tiles
from firstlight.fast.blocked.linear import BlockedLinear
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.attention import MultiHeadAttention, as_bias
from firstlight.nn.key_value_cache import KeyValueCache
from firstlight.support import draws
from firstlight.support.array import Array
from firstlight.support.forms import form
from firstlight.support.half import single


@form(MultiHeadAttention, when=[numpy_float32])
class BlockedAttention:
    """Compute the scores tile by tile, forward and again backward."""

    linear = BlockedLinear

    def forward(
        self,
        layer: MultiHeadAttention,
        x: Array,
        context: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        q, k, v = self.project(layer, x, context)  # (N, H, T, D), (N, H, S, D) twice
        bias = None if mask is None else as_bias(mask, layer.in_proj_weight.data)
        options = {"bias": bias, "causal": layer.is_causal}
        if layer.training and layer.dropout:
            options |= {"dropout": layer.dropout, "seeds": self.draw_seeds(x)}
        y = np.empty_like(q, shape=x.shape)  # (N, T, C)
        lse = self.attend(q, k, v, *heads(layer, y), **options)
        layer.save(x, context, q, k, v, y, lse, options)
        return layer.out_proj(y)

    def backward(self, layer: MultiHeadAttention, dy: Array) -> Any:
        return self.differentiate(layer, dy, *layer.saved())

    def differentiate(
        self,
        layer: MultiHeadAttention,
        dy: Array,
        x: Array,
        context: Array | None,
        q: Array,
        k: Array,
        v: Array,
        y: Array,
        lse: Array,
        options: dict[str, Any],
    ) -> Any:
        """Compute backward from what forward has saved."""
        g = layer.out_proj.backward(dy)  # (N, T, C)
        sources = parts(layer, x, context)
        dprojected = [  # (N, T, 3C), or (N, T, C) and (N, S, 2C)
            np.empty_like(q, shape=(*source.shape[:2], rows.stop - rows.start))
            for source, rows in sources
        ]
        dq, dk, dv = heads(layer, *dprojected)
        self.attend_backward(
            *heads(layer, g), q, k, v, *heads(layer, y), lse, dq, dk, dv, **options
        )
        if layer.rotary is not None:
            dq[...], dk[...] = turned(layer, dq, back=True), turned(layer, dk, back=True)
        gradients = []
        for (source, rows), d in zip(sources, dprojected, strict=True):
            flat = d.reshape(-1, d.shape[-1])
            source_rows = source.reshape(len(flat), layer.embed_dim)
            if layer.in_proj_bias is not None:
                self.linear.add_sums(flat, layer.in_proj_bias.grad[rows])
            flat, weight = map(self.linear.factor, (flat, layer.in_proj_weight.data[rows]))
            self.linear.add_product(flat.T, source_rows, layer.in_proj_weight.grad[rows])
            dsource = self.linear.multiply(flat, weight, source)
            gradients.append(dsource.reshape(source.shape))
        return gradients[0] if context is None else tuple(gradients)

    def extend(self, layer: MultiHeadAttention, x: Array, cache: KeyValueCache) -> Array:
        layer.check_input(x)
        q, k, v = self.project(layer, x, None, start=cache.length)
        k, v = cache.append(k, v)  # (N, H, S, D), with the cached ones
        y = np.empty_like(q, shape=x.shape)
        self.attend(q, k, v, *heads(layer, y), causal=True)
        return layer.out_proj(y)

    def project(
        self, layer: MultiHeadAttention, x: Array, context: Array | None, start: int = 0
    ) -> tuple[Array, ...]:
        """Return q, k and v; ``start`` is the position of x's first row."""
        projected = []
        for source, rows in parts(layer, x, context):
            weight = self.linear.factor(layer.in_proj_weight.data[rows])
            y = self.linear.multiply(source.reshape(-1, layer.embed_dim), weight.T, weight)
            if layer.in_proj_bias is not None:
                np.add(y, layer.in_proj_bias.data[rows], out=y, casting="unsafe")
            projected.append(y.reshape(*source.shape[:2], y.shape[1]))
        q, k, v = heads(layer, *projected)
        if layer.rotary is not None:
            q, k = turned(layer, q, start), turned(layer, k, start)
        return q, k, v

    @staticmethod
    def draw_seeds(x: Array) -> Any:
        """Return what repeats dropout's masks in backward."""
        return draws.sample_seeds(len(x))

    @staticmethod
    def attend(*arrays: Array, **options: Any) -> Array:
        """Compute y; see `firstlight.fast.blocked.attention_tiles.attend`."""
        return attention_tiles.attend(*arrays, **options)

    @staticmethod
    def attend_backward(*arrays: Array, **options: Any) -> None:
        """Compute dq, dk and dv; see `firstlight.fast.blocked.attention_tiles.attend_backward`."""
        attention_tiles.attend_backward(*arrays, **options)


def turned(layer: Any, x: Array, *where: int, back: bool = False) -> Array:
    """Return q or k rotated as its positions tell, computed in float32."""
    return layer.rotary.turn(single(x), *where, back=back).astype(x.dtype, copy=False)


def parts(layer: MultiHeadAttention, x: Array, context: Array | None) -> list[tuple[Array, slice]]:
    """Return pairs of an input and the rows of the weights that project it."""
    c = layer.embed_dim
    if context is None:
        return [(x, slice(0, 3 * c))]
    return [(x, slice(0, c)), (context, slice(c, 3 * c))]


def heads(layer: MultiHeadAttention, *arrays: Array) -> list[Array]:
    """Return views (N, H, T, D) of arrays (N, T, C); three views of an array (N, T, 3C)."""
    views = []
    for array in arrays:
        count = array.shape[2] // layer.embed_dim
        split = array.reshape(*array.shape[:2], count, layer.num_heads, layer.head_dim)
        views += list(split.transpose(2, 0, 3, 1, 4))  # (N, T, 3, H, D) -> 3 x (N, H, T, D)
    return views
