"""BCEWithLogitsLoss: sigmoid and binary cross-entropy in one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from firstlight import fast
from firstlight.module import Module
from firstlight.nn._checks import check_reduction, check_same_shape, gradient_factor, reduced
from firstlight.parameter import Buffer
from firstlight.support.array import Array


class BCEWithLogitsLoss(Module):
    """Compare logits with binary targets, each value by itself.

    Formula, for logits x, targets y in [0, 1], and the weight w of positives (1 by default)::

        L = Σ [w y (-log σ(x)) + (1 - y) (-log(1 - σ(x)))] / D

    with D the number of values for "mean", 1 for "sum", whatever w. Since
    1 - σ(x) = σ(-x) = σ(x) exp(-x), and l = 1 + (w - 1) y, this is::

        L = Σ [(1 - y) x + l softplus(-x)] / D
        softplus(-x) = log(1 + exp(-x)) = log(1 + exp(-|x|)) - min(x, 0)      never overflows

    Gradient: softplus(-x) has the slope -σ(-x) = σ(x) - 1, so::

        dx = [(1 - y) + l (σ(x) - 1)] / D = [l σ(x) - w y] / D

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
    >>> print(loss(np.array([0.0, 100.0]), np.array([1.0, 1.0])).round(4))
    0.3466
    >>> loss.backward()
    array([-0.25,  0.  ])
    """

    def __init__(self, *, pos_weight: ArrayLike | None = None, reduction: str = "mean"):
        check_reduction("BCEWithLogitsLoss", reduction)
        self.pos_weight: Buffer | None = (
            None if pos_weight is None else Buffer(np.array(pos_weight, "float64"))
        )
        self.reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        self._check(prediction, target)
        x, y = prediction, target.astype(prediction.dtype, copy=False)
        losses = np.log1p(np.exp(-np.abs(x)))  # (...)
        losses -= np.minimum(x, 0)
        if self.pos_weight is not None:
            losses *= 1 + (self._pos_weight(x) - 1) * y
        losses += (1 - y) * x
        self.save(x, y)
        return reduced(self, losses, self._total(x))

    def backward(self, dloss: Any = 1.0) -> Array:
        x, y = self.saved()
        dx = fast.sigmoid(x)  # (...)
        if self.pos_weight is None:
            dx -= y
        else:
            w = self._pos_weight(x)
            dx *= 1 + (w - 1) * y
            dx -= w * y
        dx *= gradient_factor(self, dloss, self._total(x), x.shape)
        return dx

    def metrics(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{"acc": share of values with σ(x) on the target's side of 0.5}``."""
        return {"acc": ((prediction > 0) == (target > 0.5)).mean()}

    def denominators(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return the denominators of loss and metrics, the number of values; None for a sum."""
        size = prediction.size
        return {"loss": size if self.reduction == "mean" else None, "acc": size}

    def _pos_weight(self, x):
        return self.pos_weight.data.astype(x.dtype, copy=False)

    def _total(self, x):
        return x.size if self.reduction == "mean" else 1

    def _check(self, prediction, target):
        check_same_shape("BCEWithLogitsLoss", prediction, target)
        if isinstance(target, np.ndarray) and not (target.min() >= 0 and target.max() <= 1):
            raise ValueError(
                f"BCEWithLogitsLoss: expected targets from 0 to 1, got {target.min()} to "
                f"{target.max()}; map them to 0 and 1, or use CrossEntropyLoss for class indices"
            )

    def extra_repr(self) -> str:
        weight = "" if self.pos_weight is None else f"pos_weight={self.pos_weight.data.tolist()}, "
        return f"{weight}reduction={self.reduction!r}"
