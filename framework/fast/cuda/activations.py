"""Activations on a GPU: one kernel forward and one backward."""

from typing import Any

import numpy as np

from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import contiguous, contiguous_like
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.module import Module
from firstlight.nn.gelu import GELU
from firstlight.nn.relu import ELU, LeakyReLU, ReLU
from firstlight.nn.sigmoid import Sigmoid, SiLU, Softplus, Tanh
from firstlight.support.array import Array
from firstlight.support.forms import form

KINDS = {  # as in activations.cu, with the attributes p and q; GELU's approximation is the next one
    ReLU: (0,),
    LeakyReLU: (1, "negative_slope"),
    ELU: (2, "alpha"),
    Sigmoid: (3,),
    Tanh: (4,),
    SiLU: (5,),
    Softplus: (6, "beta", "threshold"),
    GELU: (7,),
}
FROM_Y = ReLU, Sigmoid, Tanh  # whose backward needs y, which the next layer saves too


@form(ReLU, when=[gpu_stored])
@form(LeakyReLU, when=[gpu_stored])
@form(ELU, when=[gpu_stored])
@form(Sigmoid, when=[gpu_stored])
@form(Tanh, when=[gpu_stored])
@form(SiLU, when=[gpu_stored])
@form(Softplus, when=[gpu_stored])
@form(GELU, when=[gpu_stored])
class CudaActivation:
    """Compute y, and dx from dy and the one array that forward has saved."""

    def forward(self, layer: Module, x: Array) -> Array:
        x = contiguous(x)
        y = np.empty_like(x)
        if x.size:
            launch("activations", "activation", x, blocks_for(x.size), x, y, *_kind(layer), x.size)
        layer.save(y if isinstance(layer, FROM_Y) else x)
        return y

    def backward(self, layer: Module, dy: Array) -> Array:
        (saved,) = layer.saved()
        dx = np.empty_like(saved)
        if dx.size:
            dy = contiguous_like(dy, dx)
            arguments = (saved, dy, dx, *_kind(layer), dx.size)
            launch("activations", "activation_dx", dx, blocks_for(dx.size), *arguments)
        return dx


def _kind(layer: Any) -> tuple[int, float, float]:
    """Return the kind of an activation, as in ``activations.cu``, and its numbers p and q."""
    kind, *names = next(KINDS[one] for one in type(layer).__mro__ if one in KINDS)
    p, q, *_ = [*(float(getattr(layer, name)) for name in names), 0.0, 0.0]
    return kind + (getattr(layer, "approximate", None) == "tanh"), p, q
