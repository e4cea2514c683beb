"""KLDivLoss: the divergence of predicted from target probabilities, for distillation."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_dloss,
    check_reduction,
    check_same_shape,
    total_weight,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class KLDivLoss(Module):
    """Kullback-Leibler divergence of predicted log-probabilities from target probabilities.

    Formula, for log-probabilities x and probabilities y of one shape (N, ...)::

        l = y (log y - x)       0 where y = 0, whatever x is
        L = Σ l / D

    with D the number of values for "mean", N for "batchmean", 1 for "sum" and "none". The sum of l
    over the classes of a sample is its divergence KL(y ‖ p), so that "batchmean" is the mean
    divergence of rows (N, C); "mean" is smaller by the factor C.

    Gradient::

        dx = -y / D

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.
    log_target : bool
        The targets are log y.

    Raises
    ------
    TypeError
        Log-probabilities that are not floating-point.
    ValueError
        Different shapes, an empty batch, targets below 0 (checked in NumPy arrays only).

    References
    ----------
    Kullback and Leibler, "On Information and Sufficiency", 1951; distillation: Hinton, Vinyals and
    Dean, "Distilling the Knowledge in a Neural Network", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.KLDivLoss(reduction="batchmean")
    >>> print(loss(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]])).round(4))
    0.6931
    >>> loss.backward()
    array([[-1., -0.]])
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False):
        check_reduction(self, reduction, "batchmean")
        self.reduction = reduction
        self.log_target = log_target

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (N, ...)
        y = target.astype(prediction.dtype, copy=False)
        y = np.exp(y) if self.log_target else y  # (N, ...)
        counted = y != 0
        x = np.where(counted, prediction, 0)  # (N, ...)
        log_y = np.where(counted, target, 0) if self.log_target else np.log(y + ~counted)
        losses = y * (log_y.astype(x.dtype, copy=False) - x)  # (N, ...)
        D = self.denominators(prediction, target)["loss"] or 1
        self.save(y, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        y, D = self.saved()
        dloss = check_dloss(self, dloss, y)  # a number, or (N, ...) for reduction "none"
        return -dloss / D * y  # (N, ...)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)
        if not self.log_target and isinstance(target, np.ndarray) and not target.min() >= 0:
            raise ValueError(
                f"KLDivLoss: expected target probabilities of 0 or more, got {target.min():.3g}; "
                "for log-probabilities set log_target=True"
            )

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"loss": D}``, or with weights their sum; None for a sum."""
        total = total_weight(prediction, sample_weight)
        if self.reduction == "batchmean" and prediction.ndim:
            total = total / (prediction.size // len(prediction))
        return {"loss": total if self.reduction in ("mean", "batchmean") else None}

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, log_target={self.log_target}"
