"""LayerNorm on a GPU: one kernel forward; one backward, and sums of what its blocks have summed.

A residual sum before it, or of its gradient, is computed in the same kernels.
"""

import math

import numpy as np

from firstlight.fast.blocked.layernorm import vectors
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import CHUNK, add_column_sums, contiguous, contiguous_like
from firstlight.fast.cuda.kernel import launch_rows, reals
from firstlight.nn.layernorm import LayerNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(LayerNorm, when=[gpu_stored])
class CudaLayerNorm:
    """Compute one row in each warp; backward computes x̂ from x, and reads dy and x once."""

    def forward(self, layer: LayerNorm, x: Array) -> Array:  # x (..., *normalized_shape)
        return self.forward_sum(layer, x, None)[1]

    def forward_sum(
        self, layer: LayerNorm, x: Array, added: Array | None
    ) -> tuple[Array, Array]:  # (..., *normalized_shape)
        weight, bias = vectors(layer)
        x, added = contiguous(x), None if added is None else contiguous_like(added, x)
        y, h = np.empty_like(x), x if added is None else np.empty_like(x)
        rows = h.reshape(-1, math.prod(layer.normalized_shape))  # (N, D)
        means, rstd = stats = reals(x, (2, len(rows)))
        w, b = (rstd if p is None else p for p in (weight, bias))
        flags = [int(array is not None) for array in (added, weight, bias)]
        sum_of = (rstd, rstd) if added is None else (added, h)
        arguments = (x, *sum_of, w, b, y, means, rstd, float(layer.eps))
        arguments += (*rows.shape, *flags)
        launch_rows("layernorm", "layer_norm", x, *rows.shape, *arguments)
        layer.save(rows, stats)
        return h, y

    def backward(self, layer: LayerNorm, dy: Array) -> Array:  # dy (..., *normalized_shape)
        return self.backward_sum(layer, dy, None)

    def backward_sum(self, layer: LayerNorm, dy: Array, dh: Array | None) -> Array:
        x, (means, rstd) = layer.saved()  # (N, D), (N,) each
        weight, bias = vectors(layer)
        dx = np.empty_like(x, shape=dy.shape)
        dy, dh = contiguous_like(dy, dx), None if dh is None else contiguous_like(dh, dx)
        rows, width = x.shape
        chunk = max(8, -(-rows // CHUNK))  # so that the parts are summed in one stage
        has_dh, has_w, has_b = [int(array is not None) for array in (dh, weight, bias)]
        shape = -(-rows // chunk), (has_w + has_b) * width
        parts = reals(dx, shape)  # of dw and db
        arguments = (dy, x, dh if has_dh else rstd, means, rstd, weight if has_w else rstd)
        arguments += (dx, parts, rows, width, chunk, has_dh, has_w, has_b)
        launch_rows("layernorm", "layer_norm_backward", dx, rows, width, *arguments, chunk=chunk)
        if has_w:
            parameters = (layer.weight, layer.bias) if has_b else (layer.weight,)
            add_column_sums(parts, *(parameter.grad for parameter in parameters))
        return dx
