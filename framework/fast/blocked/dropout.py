"""Dropout: mask, factor and x in one pass over each block."""

import numpy as np

from firstlight.fast.blocked.elementwise import blockwise
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.dropout import Dropout
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Dropout, when=[numpy_float32])
class BlockedDropout:
    """Convert the mask to factors block by block: no array of the size of x but y."""

    def forward(self, layer: Dropout, x: Array) -> Array:
        m = layer.draw(x) if layer.training and layer.p > 0 else None
        layer.save(m)
        return x if m is None else self.keep(x, m, layer.scale)

    def backward(self, layer: Dropout, dy: Array) -> Array:
        (m,) = layer.saved()
        return dy if m is None else self.keep(dy, m, layer.scale)

    @staticmethod
    def keep(x: Array, m: Array, scale: float) -> Array:
        """Return x · m · scale."""

        def compute(y, x, m):
            np.multiply(m, np.float32(scale), out=y)
            y *= x

        return blockwise(compute, x, m)
