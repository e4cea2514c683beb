"""LayerNorm on a GPU: one kernel forward; one backward, and sums of what its blocks have summed."""

import numpy as np

from firstlight.fast.blocked.layernorm import BlockedLayerNorm, vectors
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import CHUNK, add_column_sums, contiguous
from firstlight.fast.cuda.kernel import launch_rows
from firstlight.nn.layernorm import LayerNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(LayerNorm, when=[gpu_float])
class CudaLayerNorm(BlockedLayerNorm):
    """Compute one row in each warp; backward reads dy and x̂ from memory once."""

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        x = contiguous(x)
        x_hat, rstd = np.empty_like(x), np.empty_like(x, shape=(len(x), 1))
        y = x_hat if weight is None else np.empty_like(x)
        w, b = (rstd if p is None else p for p in (weight, bias))
        has_w, has_b = int(weight is not None), int(bias is not None)
        arguments = (x, w, b, y, x_hat, rstd, float(eps), *x.shape, has_w, has_b)
        launch_rows("layernorm", "layer_norm", x, *x.shape, *arguments)
        return y, x_hat, rstd

    def backward(self, layer: LayerNorm, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, rstd = layer.saved()
        weight, bias = vectors(layer)
        dy_rows = contiguous(dy).reshape(x_hat.shape)  # (N, D)
        dx = np.empty_like(x_hat)
        rows, width = dx.shape
        chunk = max(8, -(-rows // CHUNK))  # so that the parts are summed in one stage
        has_w, has_b = int(weight is not None), int(bias is not None)
        parts = np.empty_like(dx, shape=(has_w + has_b, -(-rows // chunk), width))  # of dw and db
        w, dw, db = (weight, parts[0], parts[-1]) if has_w else (rstd, rstd, rstd)
        arguments = (dy_rows, x_hat, rstd, w, dx, dw, db, rows, width, chunk, has_w, has_b)
        launch_rows("layernorm", "layer_norm_backward", dx, rows, width, *arguments, chunk=chunk)
        for parameter, part in zip((layer.weight, layer.bias), parts, strict=False):
            add_column_sums(part, parameter.grad)
        return dx.reshape(dy.shape)
