"""GaussianNLLLoss: regression whose model predicts its own variance."""

import math
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_dloss,
    check_positive,
    check_reduction,
    check_same_shape,
    pair_of,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class GaussianNLLLoss(Module):
    """Negative log-likelihood of targets under normal distributions.

    Formula, for means x, targets y and variances v, with D the number of values for "mean", 1 for
    "sum" and "none"::

        d = x - y,  v ← max(v, eps)
        L = Σ (log v + d² / v) / 2 / D          with full, log(2π) / 2 is added to each value

    Gradient; that of v passes eps as PyTorch's does, so that a variance of 0 can grow::

        dx = d / v / D
        dv = (1 - d² / v) / (2 v) / D           summed over the last axis if v has 1 there

    Parameters
    ----------
    full : bool
        Add the constant, which changes no gradient.
    eps : float
        Smallest variance.
    reduction : {"mean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.

    Raises
    ------
    TypeError
        Means that are not floating-point.
    ValueError
        Shapes that do not fit, an empty batch, variances below 0 (checked in NumPy arrays only).

    Notes
    -----
    ``loss(mean, target, var)`` has var of the shape of mean, or with last axis 1, and
    ``backward()`` returns the pair (dmean, dvar). A model makes positive variances by `Softplus`.
    ``loss((mean, var), target)`` is the same call, which a Trainer makes for a model whose forward
    returns the pair and whose backward takes it.

    References
    ----------
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution",
    1994, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.GaussianNLLLoss()
    >>> print(loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([1.0, 2.0])).round(4))
    0.6733
    >>> dmean, dvar = loss.backward()
    >>> dmean, dvar
    (array([ 0. , -0.5]), array([ 0.25 , -0.125]))
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        check_reduction(self, reduction)
        check_positive(self, eps=eps)
        self.full = full
        self.eps = eps
        self.reduction = reduction

    @accelerated
    def forward(
        self, prediction: Array | tuple[Array, Array], target: Array, var: Array | None = None
    ) -> Array:  # each (...)
        x, var = prediction if var is None else (prediction, var)
        d = x - target.astype(x.dtype, copy=False)  # (...)
        v = np.maximum(var, self.eps)  # (...), or 1 in the last axis
        losses = (np.log(v) + d * d / v) / 2  # (...)
        if self.full:
            losses = losses + math.log(2 * math.pi) / 2
        D = d.size if self.reduction == "mean" else 1
        self.save(d, v, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array]:
        d, v, D = self.saved()
        dloss = check_dloss(self, dloss, d)  # a number, or (...) for reduction "none"
        dx = dloss / D * d / v  # (...)
        dv = dloss / D * (1 - d * d / v) / (2 * v)  # (...)
        return dx, dv if v.shape == d.shape else dv.sum(axis=-1, keepdims=True)

    def check_input(
        self, prediction: Array | tuple[Array, Array], target: Array, var: Array | None = None
    ) -> None:
        x, var = pair_of(self, prediction, "mean, var") if var is None else (prediction, var)
        check_same_shape(self, x, target)
        if getattr(var, "shape", None) not in (x.shape, (*x.shape[:-1], 1)):
            raise ValueError(
                f"GaussianNLLLoss: expected var of the mean's shape {x.shape}, or with last axis "
                f"1, got {np.shape(var)}; for one variance a sample pass var[..., None]"
            )
        if isinstance(var, np.ndarray) and not var.min() >= 0:
            raise ValueError(
                f"GaussianNLLLoss: expected variances of 0 or more, got {var.min():.3g}; let the "
                "model's variances pass nn.Softplus()"
            )

    def extra_repr(self) -> str:
        return f"full={self.full}, eps={self.eps}, reduction={self.reduction!r}"
