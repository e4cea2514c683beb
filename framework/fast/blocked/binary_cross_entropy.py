"""BCEWithLogitsLoss in fewer passes, most of them in place."""

from typing import Any

import numpy as np

from firstlight.fast.blocked.elementwise import sigmoid
from firstlight.fast.conditions import numpy_float32
from firstlight.nn._loss_checks import check_dloss
from firstlight.nn.binary_cross_entropy import BCEWithLogitsLoss
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(BCEWithLogitsLoss, when=[numpy_float32])
class BlockedBCEWithLogits:
    """Compute one softplus instead of two, since softplus(x) = x + softplus(-x).

    With v = 1 + (w - 1) y::

        L  = Σ [(1 - y) x + v softplus(-x)] / D
        dx = [v σ(x) - w y] / D
    """

    def forward(self, layer: BCEWithLogitsLoss, prediction: Array, target: Array) -> Array:
        x, y = prediction, target.astype(prediction.dtype, copy=False)
        losses = np.log1p(np.exp(-np.abs(x)))  # (...)
        losses -= np.minimum(x, 0)
        w = None if layer.pos_weight is None else layer.pos_weight.data.astype(x.dtype, copy=False)
        if w is not None:
            losses *= 1 + (w - 1) * y
        losses += (1 - y) * x
        total = x.size if layer.reduction == "mean" else 1
        layer.save(x, y, w, total)
        return losses if layer.reduction == "none" else losses.sum() / total

    def backward(self, layer: BCEWithLogitsLoss, dloss: Any = 1.0) -> Array:
        x, y, w, total = layer.saved()
        dx = sigmoid(x)  # (...)
        if w is None:
            dx -= y
        else:
            dx *= 1 + (w - 1) * y
            dx -= w * y
        dx *= check_dloss(layer, dloss, x) / total
        return dx
