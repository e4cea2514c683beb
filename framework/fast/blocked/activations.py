"""Activations in blocks of elements that stay in the cache, on all cores.

None of them uses ``np.where``, which is slow on a random condition.
"""

import numpy as np

from firstlight.fast.blocked.elementwise import blockwise, sigmoid, sigmoid_into, zero_where
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.relu import ELU, LeakyReLU, ReLU
from firstlight.nn.sigmoid import Sigmoid, SiLU, Softplus, Tanh
from firstlight.nn.softmax import LogSoftmax, Softmax
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(ReLU, when=[numpy_float32])
class BlockedReLU:
    """Set dx to zero by a bitwise "and"."""

    def forward(self, layer: ReLU, x: Array) -> Array:
        y = blockwise(self.positive_part, x)
        layer.save(y)
        return y

    def backward(self, layer: ReLU, dy: Array) -> Array:
        (y,) = layer.saved()
        return blockwise(self.where_positive, y, dy)

    @staticmethod
    def positive_part(y: Array, x: Array) -> None:
        """Write x where it is positive, else 0."""
        np.maximum(x, 0, out=y)

    @staticmethod
    def where_positive(dx: Array, y: Array, dy: Array) -> None:
        """Write dy where y is positive, else 0."""
        zero_where(dx, dy, y <= 0)


@form(LeakyReLU, when=[numpy_float32])
class BlockedLeakyReLU:
    """Compute y as the larger of x and s x, and dx as dy · ((1 - s) [x > 0] + s)."""

    def forward(self, layer: LeakyReLU, x: Array) -> Array:
        s = layer.negative_slope

        def compute(y, x):
            np.multiply(x if s else np.minimum(x, 0), s, out=y)  # 0 · inf would be NaN
            (np.maximum if s <= 1 else np.minimum)(x, y, out=y)  # s x is below x > 0 if s ≤ 1

        layer.save(x)
        return blockwise(compute, x)

    def backward(self, layer: LeakyReLU, dy: Array) -> Array:
        s = layer.negative_slope

        def compute(dx, x, dy):
            np.multiply(x > 0, 1 - s, out=dx, dtype=dx.dtype)
            dx += s
            dx *= dy

        (x,) = layer.saved()
        return blockwise(compute, x, dy)


@form(ELU, when=[numpy_float32])
class BlockedELU:
    """Compute dx as dy · (n + α + (1 - α) [x > 0]), where n = y for x ≤ 0 and 0 elsewhere."""

    def forward(self, layer: ELU, x: Array) -> Array:
        def compute(y, x):
            np.minimum(x, 0, out=y)
            np.expm1(y, out=y)
            y *= layer.alpha
            y += np.maximum(x, 0)

        y = blockwise(compute, x)
        layer.save(x, y)
        return y

    def backward(self, layer: ELU, dy: Array) -> Array:
        def compute(dx, x, y, dy):
            zero_where(dx, y, x > 0)  # n
            dx += layer.alpha
            if layer.alpha != 1:
                dx += np.multiply(x > 0, 1 - layer.alpha, dtype=dx.dtype)
            dx *= dy

        x, y = layer.saved()
        return blockwise(compute, x, y, dy)


@form(Sigmoid, when=[numpy_float32])
class BlockedSigmoid:
    """Compute y and dx in place."""

    def forward(self, layer: Sigmoid, x: Array) -> Array:
        y = sigmoid(x)
        layer.save(y)
        return y

    def backward(self, layer: Sigmoid, dy: Array) -> Array:
        def compute(dx, y, dy):
            np.subtract(1, y, out=dx)
            dx *= y
            dx *= dy

        (y,) = layer.saved()
        return blockwise(compute, y, dy)


@form(Tanh, when=[numpy_float32])
class BlockedTanh:
    """Compute y and dx in place."""

    def forward(self, layer: Tanh, x: Array) -> Array:
        def compute(y, x):
            np.tanh(x, out=y)

        y = blockwise(compute, x)
        layer.save(y)
        return y

    def backward(self, layer: Tanh, dy: Array) -> Array:
        def compute(dx, y, dy):
            np.square(y, out=dx)
            np.subtract(1, dx, out=dx)
            dx *= dy

        (y,) = layer.saved()
        return blockwise(compute, y, dy)


@form(SiLU, when=[numpy_float32])
class BlockedSiLU:
    """Compute y and s together, and dx in place."""

    def forward(self, layer: SiLU, x: Array) -> Array:
        def compute(y, x, s):
            sigmoid_into(s, x)
            np.multiply(x, s, out=y)

        s = np.empty_like(x, order="C")
        y = blockwise(compute, x, s)
        layer.save(x, s)
        return y

    def backward(self, layer: SiLU, dy: Array) -> Array:
        def compute(dx, x, s, dy):
            np.subtract(1, s, out=dx)
            dx *= x
            dx += 1
            dx *= s
            dx *= dy

        x, s = layer.saved()
        return blockwise(compute, x, s, dy)


@form(Softplus, when=[numpy_float32])
class BlockedSoftplus:
    """Compute y and dx in place, and then copy x and dy where βx is above the threshold."""

    def forward(self, layer: Softplus, x: Array) -> Array:
        def compute(y, x):
            np.multiply(x, layer.beta, out=y)
            linear = y > layer.threshold
            np.minimum(y, layer.threshold, out=y)
            np.exp(y, out=y)
            np.log1p(y, out=y)
            y *= 1 / layer.beta
            np.copyto(y, x, where=linear)

        layer.save(x)
        return blockwise(compute, x)

    def backward(self, layer: Softplus, dy: Array) -> Array:
        def compute(dx, x, dy):
            z = layer.beta * x
            sigmoid_into(dx, z)
            dx *= dy
            np.copyto(dx, dy, where=z > layer.threshold, casting="same_kind")

        (x,) = layer.saved()
        return blockwise(compute, x, dy)


@form(Softmax, when=[numpy_float32])
class BlockedSoftmax:
    """Compute y and dx in place."""

    def forward(self, layer: Softmax, x: Array) -> Array:
        y = centered(x, layer.dim)
        np.exp(y, out=y)
        y /= y.sum(axis=layer.dim, keepdims=True)
        layer.save(y)
        return y

    def backward(self, layer: Softmax, dy: Array) -> Array:
        (y,) = layer.saved()
        dx = dy * y
        total = dx.sum(axis=layer.dim, keepdims=True)  # Σ_i dy_i y_i
        np.subtract(dy, total, out=dx)
        dx *= y
        return dx


@form(LogSoftmax, when=[numpy_float32])
class BlockedLogSoftmax:
    """Compute y and dx in place."""

    def forward(self, layer: LogSoftmax, x: Array) -> Array:
        y = centered(x, layer.dim)
        if y.size:
            y -= np.log(np.exp(y).sum(axis=layer.dim, keepdims=True))
        layer.save(y)
        return y

    def backward(self, layer: LogSoftmax, dy: Array) -> Array:
        (y,) = layer.saved()
        dx = np.exp(y)
        dx *= dy.sum(axis=layer.dim, keepdims=True)
        np.subtract(dy, dx, out=dx)
        return dx


def centered(x: Array, axis: int) -> Array:
    """Return x minus its maximum along an axis, as a new array."""
    return x - x.max(axis=axis, keepdims=True) if x.size else x.copy()
