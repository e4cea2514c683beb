"""LayerNorm on a GPU: one kernel forward, one for dx, and sums over rows."""

import numpy as np

from firstlight.fast.blocked.layernorm import BlockedLayerNorm
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import column_sums, contiguous
from firstlight.fast.cuda.kernel import launch
from firstlight.nn.layernorm import LayerNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(LayerNorm, when=[gpu_float])
class CudaLayerNorm(BlockedLayerNorm):
    """Compute one row in each block of threads."""

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        x = contiguous(x)
        x_hat, rstd = np.empty_like(x), np.empty_like(x, shape=(len(x), 1))
        y = x_hat if weight is None else np.empty_like(x)
        w, b = (rstd if p is None else p for p in (weight, bias))
        has_w, has_b = int(weight is not None), int(bias is not None)
        if x.size:
            arguments = (x, w, b, y, x_hat, rstd, float(eps), x.shape[1], has_w, has_b)
            launch("layernorm", "layer_norm", x, len(x), *arguments)
        return y, x_hat, rstd

    def layer_norm_backward(
        self, dy: Array, x_hat: Array, rstd: Array, weight: Array | None, bias: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        dy = contiguous(dy)
        dx = np.empty_like(x_hat)
        w, has_w = (rstd, 0) if weight is None else (weight, 1)
        if dy.size:
            arguments = (dy, x_hat, rstd, w, dx, dy.shape[1], has_w)
            launch("layernorm", "layer_norm_dx", dy, len(dy), *arguments)
        dw = None if weight is None else column_sums(dy, x_hat)
        return dx, dw, None if bias is None else column_sums(dy)
