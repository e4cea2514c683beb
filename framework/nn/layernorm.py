"""LayerNorm and RMSNorm: normalise the last axes of each sample."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._norm_checks import check_last_axes
from firstlight.parameter import Parameter
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class LayerNorm(Module):
    """Standardise the last axes of each sample, then scale and shift.

    Formula, for the n values of a row (the last axes), with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations/normalisation.md)::

        db = Σ_rows dy        dw = Σ_rows dy x̂
        dx = r (g - mean(g) - x̂ mean(g x̂))        means over the row

    The second and third term remove the components that shift or scale the row, which the
    normalisation cancels.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Lengths of the last axes, which form a row.
    eps : float
        Keeps r finite if a row is constant.
    elementwise_affine : bool
        If False, there are no w and b.
    bias : bool
        If False, there is no b.

    Attributes
    ----------
    weight, bias : Parameter, shape normalized_shape, or None
        w and b, initially 1 and 0.

    Raises
    ------
    ValueError
        x has other last axes.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Ba et al., "Layer Normalization", 2016, eq. 3-4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.LayerNorm(2)(np.array([[1.0, 3.0], [0.0, -8.0]], "float32")).round(3)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        shape = _as_shape(normalized_shape)
        self.normalized_shape: tuple[int, ...] = shape
        self.eps: float = float(eps)
        self.axes: tuple[int, ...] = tuple(range(-len(shape), 0))  # of a row
        has_bias = elementwise_affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if elementwise_affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., *normalized_shape)
        mean = x.mean(axis=self.axes, keepdims=True)  # (..., 1), one number a row
        var = np.square(x - mean).mean(axis=self.axes, keepdims=True)  # (..., 1)
        r = 1 / np.sqrt(var + self.eps)  # (..., 1)
        x_hat = (x - mean) * r  # (..., *normalized_shape)
        self.save(x_hat, r)
        w, b = self.affine()
        return w * x_hat + b  # (..., *normalized_shape)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, r = self.saved()
        rows = tuple(range(dy.ndim - len(self.axes)))
        if self.weight is not None:
            self.weight.grad += (dy * x_hat).sum(axis=rows)  # normalized_shape
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=rows)  # normalized_shape
        w, _ = self.affine()
        g = dy * w  # (..., *normalized_shape)
        mean_g = g.mean(axis=self.axes, keepdims=True)  # (..., 1)
        mean_g_x_hat = (g * x_hat).mean(axis=self.axes, keepdims=True)  # (..., 1)
        return r * (g - mean_g - x_hat * mean_g_x_hat)  # (..., *normalized_shape)

    @accelerated
    def forward_sum(self, x: Array, added: Array) -> tuple[Array, Array]:
        """Return h = x + added, the sum of a residual path and a branch, and ``forward(h)``."""
        h = x + added  # (..., *normalized_shape)
        return h, self(h)

    @accelerated
    def backward_sum(self, dy: Array, dh: Array) -> Array:
        """Return dh + ``backward(dy)``: the gradients of both paths from h add."""
        return dh + self.backward(dy)  # (..., *normalized_shape)

    def affine(self) -> tuple[Any, Any]:
        """Return w and b of ``normalized_shape``; 1 and 0 where there are none."""
        w = 1 if self.weight is None else self.weight.data
        b = 0 if self.bias is None else self.bias.data
        return w, b

    def check_input(self, x: Array) -> None:
        check_last_axes(self, x)

    def flops(self, x: Array, y: Array) -> int:
        return 7 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.weight is not None}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divide the last axes of each sample by their root mean square, then scale.

    Formula, for the n values of a row, with r = 1/√(mean(x²) + eps)::

        x̂ = x r        y = w x̂

    Gradient, with g = dy w = dL/dx̂: x_j affects x̂_j directly and every x̂_i through r, where
    dr/dx_j = -r³ x_j / n = -r² x̂_j / n::

        dw   = Σ_rows dy x̂
        dx_j = g_j r + Σ_i g_i x_i dr/dx_j = r (g_j - x̂_j mean(g x̂))

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Lengths of the last axes, which form a row.
    eps : float, optional
        Keeps r finite if a row is zero; the dtype's machine epsilon by default.
    elementwise_affine : bool
        If False, there is no w.

    Attributes
    ----------
    weight : Parameter, shape normalized_shape, or None
        w, initially 1.

    Raises
    ------
    ValueError
        x has other last axes.
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.RMSNorm(2)(np.array([[1.0, 7.0]], "float32"))
    array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
    ):
        shape = _as_shape(normalized_shape)
        self.normalized_shape: tuple[int, ...] = shape
        self.eps: float | None = None if eps is None else float(eps)
        self.axes: tuple[int, ...] = tuple(range(-len(shape), 0))  # of a row
        self.weight: Parameter | None = Parameter(init.ones(shape)) if elementwise_affine else None

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., *normalized_shape)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        r = 1 / np.sqrt(np.square(x).mean(axis=self.axes, keepdims=True) + eps)  # (..., 1)
        x_hat = x * r  # (..., *normalized_shape)
        self.save(x_hat, r)
        return x_hat if self.weight is None else x_hat * self.weight.data

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, r = self.saved()
        g = dy  # (..., *normalized_shape)
        if self.weight is not None:
            rows = tuple(range(dy.ndim - len(self.axes)))
            self.weight.grad += (dy * x_hat).sum(axis=rows)  # normalized_shape
            g = dy * self.weight.data
        mean_g_x_hat = (g * x_hat).mean(axis=self.axes, keepdims=True)  # (..., 1)
        return r * (g - x_hat * mean_g_x_hat)  # (..., *normalized_shape)

    def check_input(self, x: Array) -> None:
        check_last_axes(self, x)

    def flops(self, x: Array, y: Array) -> int:
        return 5 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
        )


def _as_shape(normalized_shape):
    shape = plain_number(normalized_shape)
    return (shape,) if isinstance(shape, int) else tuple(shape)
