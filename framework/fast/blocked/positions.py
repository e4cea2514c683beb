"""RotaryPositions without a copy to join its halves."""

import numpy as np

from firstlight.fast.conditions import numpy_float32
from firstlight.nn.positions import RotaryPositions, waves
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(RotaryPositions, when=[numpy_float32])
class BlockedRotary:
    """Write both halves into y."""

    def turn(
        self, layer: RotaryPositions, x: Array, start: int = 0, *, back: bool = False
    ) -> Array:
        cos, sin = waves(x, layer.head_dim, start, layer.base)  # (T, D/2) each
        if back:
            sin = -sin
        half = layer.head_dim // 2
        low, high = x[..., :half], x[..., half:]
        y = np.empty_like(x)
        np.subtract(low * cos, high * sin, out=y[..., :half])
        np.add(high * cos, low * sin, out=y[..., half:])
        return y
