"""LayerNorm and RMSNorm: normalise the last axes of each sample."""

import math

import numpy as np

from firstlight import fast
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype
from firstlight.parameter import Parameter
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array


class LayerNorm(Module):
    """Standardise the last axes of each sample, then scale and shift.

    Formula, for the n values of a row (the last axes), with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations.md)::

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
        has_bias = elementwise_affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if elementwise_affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None

    def forward(self, x: Array) -> Array:  # x (..., *normalized_shape)
        _check(self, x)
        y, x_hat, rstd = fast.layer_norm(
            x.reshape(-1, self._width), *self._affine(), eps=self.eps
        )  # (N, D), all axes of a row as one
        self.save(x_hat, rstd, x.shape)
        return y.reshape(x.shape)

    def backward(self, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, rstd, shape = self.saved()
        self.check_dy(dy, shape)
        weight, _ = self._affine()
        dx, dw, db = fast.layer_norm_backward(dy.reshape(-1, self._width), x_hat, rstd, weight)
        if self.weight is not None:
            self.weight.grad += dw.reshape(self.normalized_shape)
        if self.bias is not None:
            self.bias.grad += db.reshape(self.normalized_shape)
        return dx.reshape(shape)

    @property
    def _width(self):
        return math.prod(self.normalized_shape)

    def _affine(self):
        """Return w and b as vectors, or None."""
        return [p if p is None else p.data.reshape(-1) for p in (self.weight, self.bias)]

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
        self.axes: tuple[int, ...] = tuple(range(-len(shape), 0))
        self.weight: Parameter | None = Parameter(init.ones(shape)) if elementwise_affine else None

    def forward(self, x: Array) -> Array:  # x (..., *normalized_shape)
        _check(self, x)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        x_hat = np.square(x)
        rrms = 1 / np.sqrt(x_hat.mean(axis=self.axes, keepdims=True) + eps)  # (..., 1)
        np.multiply(x, rrms, out=x_hat)
        self.save(x_hat, rrms)
        return x_hat if self.weight is None else x_hat * self.weight.data

    def backward(self, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, rrms = self.saved()
        self.check_dy(dy, x_hat.shape)
        rows = tuple(range(dy.ndim - len(self.axes)))
        if self.weight is not None:
            self.weight.grad += (dy * x_hat).sum(axis=rows)
        g = dy if self.weight is None else dy * self.weight.data  # (..., *normalized_shape)
        dx = g * x_hat
        stretch = dx.mean(axis=self.axes, keepdims=True)  # (..., 1)
        np.multiply(x_hat, stretch, out=dx)
        np.subtract(g, dx, out=dx)
        dx *= rrms
        return dx  # (..., *normalized_shape)

    def flops(self, x: Array, y: Array) -> int:
        return 5 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
        )


def _as_shape(normalized_shape):
    shape = plain_number(normalized_shape)
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _check(layer, x):
    name, shape = type(layer).__name__, layer.normalized_shape
    if x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{name}: expected x whose last axes are {shape} (normalized_shape), "
            f"got shape {x.shape}; build it as {name}({x.shape[-1] if x.ndim else 1})"
        )
    if layer.weight is not None:
        check_dtype(layer, x, layer.weight.dtype)
