"""DiceLoss: the overlap of predicted and true masks, for segmentation."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_binary,
    check_dloss,
    check_reduction,
    check_same_shape,
    total_weight,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated
from firstlight.support.special import sigmoid


class DiceLoss(Module):
    """One minus the soft Dice coefficient of each mask.

    Formula, for logits x and masks y in [0, 1] of shape (N, ..., C). The sums are over the pixels
    of one of the N · C masks, and s = smooth::

        p = σ(x)
        q = (2 Σ p y + s) / (Σ p + Σ y + s)     1 if p and y are equal masks, or both empty
        L = Σ (1 - q) / D                       D = N · C for "mean", 1 for "sum" and "none"

    Since each mask counts as a whole, a small one counts as much as a large one, and it does not
    matter how many pixels are background. Gradient, by the quotient rule and σ' = p (1 - p)::

        dp = (q - 2 y) / (Σ p + Σ y + s) / D
        dx = dp p (1 - p)

    Parameters
    ----------
    smooth : float
        s, 0 or more; for an empty y, it is what lets L fall with Σ p.
    reduction : {"mean", "sum", "none"}
        "none" returns each mask's loss, shape (N, C); backward takes one number for all, or one per
        mask.

    Raises
    ------
    TypeError
        Logits that are not floating-point.
    ValueError
        Different shapes, no axis of pixels, an empty batch, targets outside [0, 1] (checked in
        NumPy arrays only).

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical
    Image Segmentation", 2016, section 3, there with squares of p and y in the denominator.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.DiceLoss()
    >>> x, y = np.zeros((1, 4, 1)), np.array([[[1.0], [1.0], [0.0], [0.0]]])
    >>> print(loss(x, y))
    0.4
    >>> loss.backward().ravel()
    array([-0.07, -0.07,  0.03,  0.03])
    """

    def __init__(self, *, smooth: float = 1.0, reduction: str = "mean"):
        check_reduction(self, reduction)
        if not smooth >= 0:
            raise ValueError(f"DiceLoss: expected smooth of 0 or more, got {smooth}")
        self.smooth = smooth
        self.reduction = reduction

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (N, ..., C)
        p, y = sigmoid(prediction), target.astype(prediction.dtype, copy=False)
        pixels = tuple(range(1, p.ndim - 1))
        both = (p * y).sum(axis=pixels, keepdims=True)  # (N, 1..., C)
        size = (p + y).sum(axis=pixels, keepdims=True) + self.smooth  # (N, 1..., C)
        empty = size == 0  # then q = 1
        size = size + empty
        q = (2 * both + self.smooth + empty) / size  # (N, 1..., C)
        D = q.size if self.reduction == "mean" else 1
        self.save(p, y, q, size, D)
        losses = (1 - q).reshape(len(q), -1)  # (N, C)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        p, y, q, size, D = self.saved()
        dloss = check_dloss(self, dloss, q.reshape(len(q), -1))
        if np.ndim(dloss):  # one for each mask
            dloss = dloss.reshape(q.shape)  # (N, 1..., C)
        dp = dloss / D * (q - 2 * y) / size  # (N, ..., C)
        return dp * p * (1 - p)  # (N, ..., C)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)
        if prediction.ndim < 3:
            raise ValueError(
                f"DiceLoss: expected masks of shape (N, ..., C), such as (N, H, W, 1), got "
                f"{prediction.shape}; give one class an axis of its own: x[..., None]"
            )
        check_binary(self, target)

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"loss": number of masks, or sum of their weights}``; None for a sum."""
        rows = prediction.reshape(len(prediction), -1, prediction.shape[-1])[:, 0]  # (N, C)
        return {"loss": total_weight(rows, sample_weight) if self.reduction == "mean" else None}

    def extra_repr(self) -> str:
        return f"smooth={self.smooth}, reduction={self.reduction!r}"
