"""TripletMarginLoss: embeddings of which similar ones are closer than others."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_dloss,
    check_embeddings,
    check_positive,
    check_reduction,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class TripletMarginLoss(Module):
    """Ask that an anchor is closer to a positive than to a negative, by a margin.

    Formula, for anchors a, positives b and negatives c of shape (N, d), with D = N for "mean", 1
    for "sum" and "none"::

        u = a - b + eps,  d⁺ = ‖u‖ₚ             v = a - c + eps,  d⁻ = ‖v‖ₚ
        L = Σ max(d⁺ - d⁻ + margin, 0) / D

    Gradient, with k = [d⁺ - d⁻ + margin > 0] / D for each triplet, and the slope of the norm
    n(u) = sign(u) (|u| / ‖u‖ₚ)^(p-1)::

        da = k (n(u) - n(v)),  db = -k n(u),  dc = k n(v)

    Parameters
    ----------
    margin : float
        Difference of the distances beyond which a triplet counts no more.
    p : float
        1 or more, of the norm.
    eps : float
        Added to each difference, so that equal vectors have a slope.
    reduction : {"mean", "sum", "none"}
        "none" returns each triplet's loss; backward takes one number for all, or one per triplet.

    Raises
    ------
    TypeError
        Embeddings that are not floating-point.
    ValueError
        Different shapes; an empty batch; a margin that is not positive.

    Notes
    -----
    ``loss(anchor, positive, negative)``; ``backward()`` returns the three gradients (da, db, dc).

    References
    ----------
    Schroff, Kalenichenko and Philbin, "FaceNet: A Unified Embedding for Face Recognition and
    Clustering", 2015, eq. 3, there with squared distances; Balntas et al., "Learning local feature
    descriptors with triplets and shallow convolutional neural networks", 2016, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.TripletMarginLoss()
    >>> print(loss(np.array([[0.0]]), np.array([[2.0]]), np.array([[1.5]])).round(4))
    1.5
    >>> loss.backward()
    (array([[0.]]), array([[1.]]), array([[-1.]]))
    """

    def __init__(
        self, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, reduction: str = "mean"
    ):
        check_reduction(self, reduction)
        check_positive(self, margin=margin)
        if not 1 <= p < np.inf:
            raise ValueError(f"TripletMarginLoss: expected p of 1 or more, and finite, got {p}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.reduction = reduction

    @accelerated
    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:  # each (N, d)
        near, n_u = self._norm(anchor - positive + self.eps)  # (N,), (N, d)
        far, n_v = self._norm(anchor - negative + self.eps)  # (N,), (N, d)
        losses = np.maximum(near - far + self.margin, 0)  # (N,)
        D = losses.size if self.reduction == "mean" else 1
        self.save(losses, n_u, n_v, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array, Array]:
        losses, n_u, n_v, D = self.saved()
        dloss = check_dloss(self, dloss, losses)  # a number, or (N,) for reduction "none"
        k = (dloss / D * (losses > 0)).astype(n_u.dtype, copy=False)[..., None]  # (N, 1)
        return k * (n_u - n_v), -k * n_u, k * n_v  # each (N, d)

    def _norm(self, u):  # (N, d)
        """Return ‖u‖ₚ and its slope."""
        size = np.abs(u)
        norm = (size**self.p).sum(axis=-1, keepdims=True) ** (1 / self.p)  # (N, 1)
        return norm[..., 0], np.sign(u) * (size / (norm + (norm == 0))) ** (self.p - 1)

    def check_input(self, anchor: Array, positive: Array, negative: Array) -> None:
        check_embeddings(self, anchor=anchor, positive=positive, negative=negative)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, p={self.p}, eps={self.eps}, reduction={self.reduction!r}"
