"""LayerNorm in blocks of rows, so that every pass reads from the cache; RMSNorm with few arrays.

Sums over rows and columns are products with a vector of ones, in which BLAS is four times as fast
as ``sum``.
"""

import math
from typing import Any

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.layernorm import LayerNorm, RMSNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(LayerNorm, when=[numpy_float32])
class BlockedLayerNorm:
    """Compute on rows (N, D), all axes of a row as one, in blocks of rows."""

    def forward(self, layer: LayerNorm, x: Array) -> Array:  # x (..., *normalized_shape)
        weight, bias = vectors(layer)
        y, x_hat, rstd = self.layer_norm(
            x.reshape(-1, math.prod(layer.normalized_shape)), weight, bias, layer.eps
        )
        layer.save(x_hat, rstd)
        return y.reshape(x.shape)

    def backward(self, layer: LayerNorm, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, rstd = layer.saved()
        weight, bias = vectors(layer)
        dx, dw, db = self.layer_norm_backward(dy.reshape(x_hat.shape), x_hat, rstd, weight, bias)
        if layer.weight is not None:
            layer.weight.grad += dw.reshape(layer.normalized_shape)
        if layer.bias is not None:
            layer.bias.grad += db.reshape(layer.normalized_shape)
        return dx.reshape(dy.shape)

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """Return y and x̂ (N, D) and r (N, 1); weight and bias are (D,) or None."""
        x_hat = np.empty_like(x)
        y = x_hat if weight is None else np.empty_like(x)
        rstd = np.empty_like(x, shape=(len(x), 1))

        def block(start, stop):
            rows = slice(start, stop)
            self.normalise(x[rows], x_hat[rows], rstd[rows], y[rows], weight, bias, eps)

        spread_rows(block, x)
        return y, x_hat, rstd

    def layer_norm_backward(
        self, dy: Array, x_hat: Array, rstd: Array, weight: Array | None, bias: Array | None
    ) -> tuple[Array, Any, Any]:
        """Return dx (N, D), dw and db (D,); those of an absent weight or bias may be anything."""
        dx = np.empty_like(x_hat)
        w = np.ones_like(dy, shape=dy.shape[1:]) if weight is None else weight

        def block(start, stop):
            rows = slice(start, stop)
            return self.differentiate(dy[rows], x_hat[rows], rstd[rows], w, dx[rows])

        parts = spread_rows(block, dy)
        return dx, sum(dw for dw, _ in parts), sum(db for _, db in parts)

    @staticmethod
    def normalise(
        x: Array,
        x_hat: Array,
        rstd: Array,
        y: Array,
        weight: Array | None,
        bias: Array | None,
        eps: float,
    ) -> None:
        """Write x̂ (n, D), r (n, 1) and y for a block of rows; y is x̂ without a weight."""
        width = x.shape[1]
        mean = (x @ np.full_like(x, 1 / width, shape=(width,)))[:, None]
        np.subtract(x, mean, out=x_hat)
        var = np.einsum("nd,nd->n", x_hat, x_hat)[:, None] / width
        var += eps
        np.divide(1, np.sqrt(var, out=var), out=rstd)
        x_hat *= rstd
        if weight is not None:
            np.multiply(x_hat, weight, out=y)
        if bias is not None:
            y += bias

    @staticmethod
    def differentiate(
        dy: Array, x_hat: Array, rstd: Array, w: Array, dx: Array
    ) -> tuple[Array, Array]:
        """Write dx (n, D) for a block of rows and return its contributions to dw and db (D,).

        With w/D in place of the weight, the means of g = dy w and of g x̂ are products with a
        vector.
        """
        ones, share = np.ones_like(dy, shape=dy.shape[:1]), w / len(w)
        scratch = dy * x_hat
        dw, db = ones @ scratch, ones @ dy
        stretch, shift = (scratch @ share)[:, None], (dy @ share)[:, None]  # (n, 1)
        np.multiply(dy, w, out=dx)
        dx -= shift
        dx -= np.multiply(x_hat, stretch, out=scratch)
        dx *= rstd
        return dw, db


@form(RMSNorm, when=[numpy_float32])
class BlockedRMSNorm:
    """Reuse arrays within forward and within backward."""

    def forward(self, layer: RMSNorm, x: Array) -> Array:  # x (..., *normalized_shape)
        eps = float(np.finfo(x.dtype).eps) if layer.eps is None else layer.eps
        x_hat = np.square(x)
        rrms = 1 / np.sqrt(x_hat.mean(axis=layer.axes, keepdims=True) + eps)  # (..., 1)
        np.multiply(x, rrms, out=x_hat)
        layer.save(x_hat, rrms)
        return x_hat if layer.weight is None else x_hat * layer.weight.data

    def backward(self, layer: RMSNorm, dy: Array) -> Array:  # dy (..., *normalized_shape)
        x_hat, rrms = layer.saved()
        rows = tuple(range(dy.ndim - len(layer.axes)))
        if layer.weight is not None:
            layer.weight.grad += (dy * x_hat).sum(axis=rows)
        g = dy if layer.weight is None else dy * layer.weight.data  # (..., *normalized_shape)
        dx = g * x_hat
        stretch = dx.mean(axis=layer.axes, keepdims=True)  # (..., 1)
        np.multiply(x_hat, stretch, out=dx)
        np.subtract(g, dx, out=dx)
        dx *= rrms
        return dx  # (..., *normalized_shape)


def vectors(layer: LayerNorm) -> list[Array | None]:
    """Return w and b as vectors, or None."""
    return [p if p is None else p.data.reshape(-1) for p in (layer.weight, layer.bias)]
