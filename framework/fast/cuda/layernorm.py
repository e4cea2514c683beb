"""LayerNorm on a GPU: one kernel forward; one backward, and sums of what its blocks have summed."""

import math

import numpy as np

from firstlight.fast.blocked.layernorm import vectors
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import CHUNK, add_column_sums, contiguous
from firstlight.fast.cuda.kernel import launch_rows
from firstlight.nn.layernorm import LayerNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(LayerNorm, when=[gpu_float])
class CudaLayerNorm:
    """Compute one row in each warp; backward computes x̂ from x, and reads dy and x once."""

    def forward(self, layer: LayerNorm, x: Array) -> Array:  # x (..., *normalized_shape)
        weight, bias = vectors(layer)
        x = contiguous(x)
        y = np.empty_like(x)
        rows = x.reshape(-1, math.prod(layer.normalized_shape))  # (N, D)
        means, rstd = stats = np.empty_like(x, shape=(2, len(rows)))
        w, b = (rstd if p is None else p for p in (weight, bias))
        flags = int(weight is not None), int(bias is not None)
        arguments = (rows, w, b, y, means, rstd, float(layer.eps), *rows.shape, *flags)
        launch_rows("layernorm", "layer_norm", x, *rows.shape, *arguments)
        layer.save(rows, stats)
        return y

    def backward(self, layer: LayerNorm, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x, (means, rstd) = layer.saved()  # (N, D), (N,) each
        weight, bias = vectors(layer)
        dy = contiguous(dy)
        dx = np.empty_like(dy)
        rows, width = x.shape
        chunk = max(8, -(-rows // CHUNK))  # so that the parts are summed in one stage
        has_w, has_b = int(weight is not None), int(bias is not None)
        parts = np.empty_like(dx, shape=(has_w + has_b, -(-rows // chunk), width))  # of dw and db
        w, dw, db = (weight, parts[0], parts[-1]) if has_w else (rstd, rstd, rstd)
        arguments = (dy, x, means, rstd, w, dx, dw, db, rows, width, chunk, has_w, has_b)
        launch_rows("layernorm", "layer_norm_backward", dx, rows, width, *arguments, chunk=chunk)
        for parameter, part in zip((layer.weight, layer.bias), parts, strict=False):
            add_column_sums(part, parameter.grad)
        return dx
