"""MSELoss, L1Loss and HuberLoss: losses of regressions."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_dloss,
    check_positive,
    check_reduction,
    check_same_shape,
    total_weight,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class MSELoss(Module):
    """Average the squared errors.

    Formula, with D the number of values for "mean", 1 for "sum"::

        d = x - y
        L = Σ d² / D            x prediction, y target, of one shape

    Gradient::

        dx = 2 d / D

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.

    Raises
    ------
    TypeError
        Predictions that are not floating-point.
    ValueError
        Different shapes; an empty batch.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.MSELoss()
    >>> print(loss(np.array([1.0, 5.0]), np.array([1.0, 2.0])))
    4.5
    >>> loss.backward()
    array([0., 3.])
    """

    def __init__(self, *, reduction: str = "mean"):
        check_reduction(self, reduction)
        self.reduction = reduction

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = prediction - target.astype(prediction.dtype, copy=False)  # (...)
        losses = d**2  # (...)
        D = d.size if self.reduction == "mean" else 1
        self.save(d, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        d, D = self.saved()
        dloss = check_dloss(self, dloss, d)  # a number, or (...) for reduction "none"
        return dloss / D * 2 * d  # (...)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"loss": D}``: the number of values, or the sum of weights; None for a sum."""
        return {
            "loss": total_weight(prediction, sample_weight) if self.reduction == "mean" else None
        }

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class L1Loss(Module):
    """Average the absolute errors, which are less sensitive to outliers than `MSELoss`.

    Formula, with D the number of values for "mean", 1 for "sum"::

        d = x - y
        L = Σ |d| / D           x prediction, y target, of one shape

    Gradient, taken as 0 at the kink d = 0::

        dx = sign(d) / D

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.

    Raises
    ------
    TypeError
        Predictions that are not floating-point.
    ValueError
        Different shapes; an empty batch.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.L1Loss()
    >>> print(loss(np.array([1.0, 5.0]), np.array([1.0, 2.0])))
    1.5
    >>> loss.backward()
    array([0. , 0.5])
    """

    def __init__(self, *, reduction: str = "mean"):
        check_reduction(self, reduction)
        self.reduction = reduction

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = prediction - target.astype(prediction.dtype, copy=False)  # (...)
        losses = np.abs(d)  # (...)
        D = d.size if self.reduction == "mean" else 1
        self.save(d, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        d, D = self.saved()
        dloss = check_dloss(self, dloss, d)  # a number, or (...) for reduction "none"
        return dloss / D * np.sign(d)  # (...)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"loss": D}``: the number of values, or the sum of weights; None for a sum."""
        return {
            "loss": total_weight(prediction, sample_weight) if self.reduction == "mean" else None
        }

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class HuberLoss(Module):
    """Average a loss that is quadratic for small errors and linear for large ones.

    Formula, with D the number of values for "mean", 1 for "sum"::

        d = x - y               x prediction, y target, of one shape
        c = clip(d, -δ, δ)
        L = Σ c (d - c/2) / D

    which is d²/2 for |d| ≤ δ and δ (|d| - δ/2) beyond. Gradient, continuous at |d| = δ::

        dx = c / D

    Parameters
    ----------
    delta : float
        δ, the largest error with a quadratic loss.
    reduction : {"mean", "sum", "none"}
        "none" returns each value's loss; backward takes one number for all, or one per value.

    Raises
    ------
    TypeError
        Predictions that are not floating-point.
    ValueError
        A delta that is not positive; different shapes; an empty batch.

    References
    ----------
    Huber, "Robust Estimation of a Location Parameter", 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.HuberLoss(delta=1.0)
    >>> print(loss(np.array([1.0, 5.0]), np.array([0.5, 2.0])))
    1.3125
    >>> loss.backward()
    array([0.25, 0.5 ])
    """

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0):
        check_reduction(self, reduction)
        check_positive(self, delta=delta)
        self.reduction = reduction
        self.delta = delta

    @accelerated
    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = prediction - target.astype(prediction.dtype, copy=False)  # (...)
        c = np.clip(d, -self.delta, self.delta)  # (...)
        losses = c * (d - c / 2)  # (...)
        D = c.size if self.reduction == "mean" else 1
        self.save(c, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        c, D = self.saved()
        dloss = check_dloss(self, dloss, c)  # a number, or (...) for reduction "none"
        return dloss / D * c  # (...)

    def check_input(self, prediction: Array, target: Array) -> None:
        check_same_shape(self, prediction, target)

    def metrics(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(
        self, prediction: Array, target: Array, sample_weight: Array | None = None
    ) -> dict[str, Any]:
        """Return ``{"loss": D}``: the number of values, or the sum of weights; None for a sum."""
        return {
            "loss": total_weight(prediction, sample_weight) if self.reduction == "mean" else None
        }

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, delta={self.delta}"
