"""MSELoss, L1Loss and HuberLoss: losses of regressions."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_reduction, check_same_shape, gradient_factor, reduced
from firstlight.support.array import Array


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
        check_reduction("MSELoss", reduction)
        self.reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = _difference(self, prediction, target)  # (...)
        self.save(d)
        return reduced(self, d * d, _total(self, d))

    def backward(self, dloss: Any = 1.0) -> Array:
        (d,) = self.saved()
        d *= 2 * gradient_factor(self, dloss, _total(self, d), d.shape)
        return d  # (...)

    def metrics(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{"loss": D}``, the number of values, or None for a sum."""
        return {"loss": prediction.size if self.reduction == "mean" else None}

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
        check_reduction("L1Loss", reduction)
        self.reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = _difference(self, prediction, target)  # (...)
        self.save(d)
        return reduced(self, np.abs(d), _total(self, d))

    def backward(self, dloss: Any = 1.0) -> Array:
        (d,) = self.saved()
        dx = np.sign(d, out=d)
        dx *= gradient_factor(self, dloss, _total(self, d), d.shape)
        return dx  # (...)

    def metrics(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{"loss": D}``, the number of values, or None for a sum."""
        return {"loss": prediction.size if self.reduction == "mean" else None}

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
        check_reduction("HuberLoss", reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: expected a delta above 0, got {delta}")
        self.reduction = reduction
        self.delta = delta

    def forward(self, prediction: Array, target: Array) -> Array:  # both (...)
        d = _difference(self, prediction, target)  # (...)
        c = np.clip(d, -self.delta, self.delta, out=np.empty_like(d))
        self.save(c)
        d -= c / 2
        d *= c
        return reduced(self, d, _total(self, d))

    def backward(self, dloss: Any = 1.0) -> Array:
        (c,) = self.saved()
        c *= gradient_factor(self, dloss, _total(self, c), c.shape)
        return c  # (...)

    def metrics(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{}``, as the loss is the only metric."""
        return {}

    def denominators(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{"loss": D}``, the number of values, or None for a sum."""
        return {"loss": prediction.size if self.reduction == "mean" else None}

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, delta={self.delta}"


def _difference(loss, prediction, target):
    """Return prediction - target in prediction's dtype, after checking both."""
    check_same_shape(type(loss).__name__, prediction, target)
    d = np.empty_like(prediction)  # an array even for one number, where NumPy returns a scalar
    return np.subtract(prediction, target, out=d, dtype=d.dtype)


def _total(loss, d):
    """Return the denominator of the loss."""
    return d.size if loss.reduction == "mean" else 1
