"""CrossEntropyLoss: softmax and negative log-likelihood in one, for classification."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_class_weights,
    check_classes,
    check_dloss,
    check_fraction,
    check_prediction,
    check_reduction,
    total_weight,
    weighted_mean,
)
from firstlight.parameter import Buffer
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class CrossEntropyLoss(Module):
    """Negative log-probability of the target class, or of target probabilities.

    Formula, for row n with logits x_n, softmax p_n and a weight g_nc for each class::

        p_nc = exp(x_nc) / Σ_k exp(x_nk)        -log p_nc = log Σ_k exp(x_nk) - x_nc
        L    = Σ_n Σ_c g_nc (-log p_nc) / D

    The largest logit of a row is subtracted first, which leaves p as it is: exp cannot overflow.

    A label t_n is the row q_nc = [c = t_n] of probabilities: 1 at the label, 0 elsewhere. With
    class weights w (all 1 by default) and label smoothing ε, which distributes part of the target
    over all classes::

        g_nc = w_c [(1 - ε) q_nc + ε / C]       0 in rows labelled ``ignore_index``
        D    = Σ_n w_tₙ for "mean", 1 for "sum" and "none"

    Without both, L is the mean of -log p_ntₙ. If all rows are ignored, so that D = 0, then L and dx
    are 0. A row of which all g are 0 may hold any logits, and a class of which g is 0 the logit
    -inf.

    Gradient: d(-log p_nk)/dx_nc = p_nc - [c = k], probability minus one at k. Weighted and summed::

        dx_nc = [(Σ_k g_nk) p_nc - g_nc] / D    p_nc - [c = tₙ], divided by D, for plain labels

    Targets may be probabilities q_nc of all classes instead (floats of the logits' shape, as from
    `MixUp`). No row is ignored then, and D is their number N for "mean".

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class, for imbalanced data.
    ignore_index : int
        Label of rows to ignore, such as padding.
    reduction : {"mean", "sum", "none"}
        "none" returns each row's loss; backward takes one number for all, or one per row.
    label_smoothing : float
        ε, from 0 to 1.

    Attributes
    ----------
    weight : Buffer, or None

    Raises
    ------
    TypeError
        Labels that are not integers, probabilities that are not floating-point, nor logits.
    ValueError
        Labels out of range, probabilities of a row that do not sum to 1, wrong shapes, an empty
        batch.

    Notes
    -----
    The range of labels is checked in NumPy arrays only, as reading values from a GPU would
    synchronize.

    References
    ----------
    Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7 (label smoothing).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.CrossEntropyLoss()
    >>> logits, labels = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
    >>> print(loss(logits, labels).round(4))
    0.41
    >>> loss.backward().round(2)
    array([[-0.06,  0.06],
           [ 0.25, -0.25]])
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        check_reduction(self, reduction)
        check_fraction(self, label_smoothing=label_smoothing)
        self.weight: Buffer | None = None if weight is None else Buffer(np.array(weight, "float64"))
        check_class_weights(self)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    @accelerated
    def forward(
        self, prediction: Array, target: Array
    ) -> Array:  # prediction (..., C), target (...) or (..., C)
        g, D = self._targets(prediction, target)  # (..., C), a number
        counted = (g != 0).any(axis=-1, keepdims=True)  # (..., 1)
        x = np.where(counted, prediction, 0)  # (..., C)  ignored rows may hold NaN
        x = x - x.max(axis=-1, keepdims=True)  # (..., C)
        nll = np.log(np.exp(x).sum(axis=-1, keepdims=True)) - x  # (..., C)  -log p
        self.save(nll, g, D)
        losses = (g * np.where(g != 0, nll, 0)).sum(axis=-1)  # (...)  0 · inf is 0
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        nll, g, D = self.saved()
        dloss = check_dloss(self, dloss, nll[..., 0])
        if np.ndim(dloss):  # one for each row
            dloss = dloss[..., None]  # (..., 1)
        p = np.exp(-nll)  # (..., C)
        return dloss / D * (g.sum(axis=-1, keepdims=True) * p - g)  # (..., C)

    def _targets(self, x, target):  # x (..., C)
        """Return g (..., C) and D."""
        classes, eps = x.shape[-1], self.label_smoothing
        w = 1.0 if self.weight is None else self.weight.data.astype(x.dtype, copy=False)  # (C,)
        if target.shape == x.shape:  # probabilities
            q, counted, D = target.astype(x.dtype, copy=False), 1.0, x.size // classes
        else:
            t = target[..., None]  # (..., 1)
            counted = (t != self.ignore_index).astype(x.dtype)  # (..., 1)
            q = (t == np.arange(classes, like=x)) * counted  # (..., C)  [c = t]
            D = (w * q).sum()
        g = counted * w * ((1 - eps) * q + eps / classes)  # (..., C)
        D = D if self.reduction == "mean" else 1
        return g, D + (D == 0)  # 0 / 1 if all rows are ignored

    def check_input(self, prediction: Array, target: Array) -> None:
        check_prediction(self, prediction, target)
        check_classes(self, prediction, target, self.ignore_index)
        check_class_weights(self, prediction.shape[-1])

    @accelerated
    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"acc": share of rows, without ignored ones, with the correct class}``.

        The correct class of target probabilities is the most probable one. Rows may have weights,
        shape (...).
        """
        if target.shape == prediction.shape:
            right = prediction.argmax(axis=-1) == target.argmax(axis=-1)
            if sample_weight is not None:
                return {"acc": weighted_mean(right, sample_weight)}
            return {"acc": np.count_nonzero(right) / right.size}
        counted = target != self.ignore_index
        right = (prediction.argmax(axis=-1) == target) & counted
        if sample_weight is not None:
            return {"acc": weighted_mean(right, sample_weight * counted)}
        return {"acc": np.count_nonzero(right) / np.maximum(np.count_nonzero(counted), 1)}

    @accelerated
    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return the denominators ``{"loss": D, "acc": rows that are not ignored}``.

        D is None for a sum. Rows may have weights, shape (...).
        """
        if target.shape == prediction.shape:
            rows = total = total_weight(target[..., 0], sample_weight)
        else:
            counted = target != self.ignore_index  # (...)
            if sample_weight is None:
                rows = total = np.count_nonzero(counted)
            else:
                counted = counted * sample_weight
                rows = total = counted.sum(dtype="float64")
            if self.weight is not None:
                w = self.weight.data[np.where(counted, target, 0)]  # (...)
                total = (w * counted).sum(dtype="float64")
        return {"loss": total if self.reduction == "mean" else None, "acc": rows}

    def extra_repr(self) -> str:
        weight = "" if self.weight is None else f"weight of {self.weight.data.size} classes, "
        return (
            f"{weight}ignore_index={self.ignore_index}, reduction={self.reduction!r}, "
            f"label_smoothing={self.label_smoothing}"
        )
