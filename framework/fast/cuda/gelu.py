"""GELU on a GPU: y and dy/dx in one kernel."""

import numpy as np

from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.nn.gelu import GELU
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(GELU, when=[gpu_float])
class CudaGELU:
    """Compute y and dy/dx together."""

    def forward(self, layer: GELU, x: Array) -> Array:
        x = x if x.flags.c_contiguous else x.copy()
        y = np.empty_like(x)
        dydx = np.empty_like(x) if layer.saves else None
        if x.size:
            kernel = "gelu_tanh" if layer.approximate == "tanh" else "gelu_exact"
            out, has_dydx = (y, 0) if dydx is None else (dydx, 1)
            launch("gelu", kernel, x, blocks_for(x.size), x, y, out, has_dydx, x.size)
        layer.save(dydx)
        return y

    def backward(self, layer: GELU, dy: Array) -> Array:
        (dydx,) = layer.saved()
        return dy * dydx
