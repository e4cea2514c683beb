"""BCEWithLogitsLoss: sigmoid and binary cross-entropy in one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_binary,
    check_dloss,
    check_reduction,
    check_same_shape,
    total_weight,
    weighted_mean,
)
from firstlight.parameter import Buffer
from firstlight.support.array import Array
from firstlight.support.forms import accelerated
from firstlight.support.special import sigmoid


class BCEWithLogitsLoss(Module):
    """Compare logits with binary targets, each value by itself.

    Formula, for logits x, targets y in [0, 1], and the weight w of positives (1 by default)::

        L = Σ [w y (-log σ(x)) + (1 - y) (-log(1 - σ(x)))] / D

    with D the number of values for "mean", 1 for "sum" and "none", whatever w. Since 1 - σ(x) =
    σ(-x), both logarithms are softplus, which never overflows if written with -|x|::

        -log σ(x) = log(1 + exp(-x)) = softplus(-x)         -log(1 - σ(x)) = softplus(x)
        softplus(x) = max(x, 0) + log(1 + exp(-|x|))

    Gradient: softplus(x) has the slope σ(x), and softplus(-x) has the slope -σ(-x), so::

        dx = [(1 - y) σ(x) - w y σ(-x)] / D                 (σ(x) - y) / D for w = 1

    Parameters
    ----------
    pos_weight : float or array_like, optional
        w, e.g. the number of negatives per positive; broadcast against the last axes.
    reduction : {"mean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.

    Attributes
    ----------
    pos_weight : Buffer, or None

    Raises
    ------
    TypeError
        Logits that are not floating-point.
    ValueError
        Different shapes, an empty batch, targets outside [0, 1] (checked in NumPy arrays only).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.BCEWithLogitsLoss()
    >>> print(loss(np.array([0.0, 2.0]), np.array([1.0, 0.0])).round(4))
    1.41
    >>> loss.backward().round(4)
    array([-0.25  ,  0.4404])
    """

    def __init__(self, *, pos_weight: ArrayLike | None = None, reduction: str = "mean"):
        check_reduction(self, reduction)
        self.pos_weight: Buffer | None = (
            None if pos_weight is None else Buffer(np.array(pos_weight, "float64"))
        )
        self.reduction = reduction

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        x, y = prediction, target.astype(prediction.dtype, copy=False)
        w = self._weight(x)  # a number, or the length of the last axes
        tail = np.log1p(np.exp(-np.abs(x)))  # (...)  log(1 + exp(-|x|))
        positive, negative = np.maximum(-x, 0) + tail, np.maximum(x, 0) + tail  # (...)  softplus
        losses = w * y * positive + (1 - y) * negative  # (...)
        D = x.size if self.reduction == "mean" else 1
        self.save(x, y, w, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        x, y, w, D = self.saved()
        dloss = check_dloss(self, dloss, x)  # a number, or (...) for reduction "none"
        return dloss / D * ((1 - y) * sigmoid(x) - w * y * sigmoid(-x))  # (...)

    def _weight(self, x):
        """Return w in x's dtype."""
        return 1.0 if self.pos_weight is None else self.pos_weight.data.astype(x.dtype, copy=False)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)
        check_binary(self, target)

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"acc": share of values with σ(x) on the target's side of 0.5}``.

        Values have the weights of their samples.
        """
        right = (prediction > 0) == (target > 0.5)
        return {
            "acc": right.mean() if sample_weight is None else weighted_mean(right, sample_weight)
        }

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return the denominators of loss and metrics, the number of values; None for a sum."""
        size = total_weight(prediction, sample_weight)
        return {"loss": size if self.reduction == "mean" else None, "acc": size}

    def extra_repr(self) -> str:
        weight = "" if self.pos_weight is None else f"pos_weight={self.pos_weight.data.tolist()}, "
        return f"{weight}reduction={self.reduction!r}"
