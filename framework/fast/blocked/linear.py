"""Linear: gradients added in place by the product itself, sums of rows by BLAS."""

from typing import Any

from firstlight.fast.blocked.channels import channel_sums
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.linear import Linear
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Linear, when=[numpy_float32])
class BlockedLinear:
    """Compute all products of rows (N, I) and (N, O), whatever the number of axes."""

    def forward(self, layer: Linear, x: Array) -> Array:  # x (..., I)
        layer.save(x)
        y = self.multiply(x.reshape(-1, layer.in_features), layer.weight.data.T, x)  # (N, O)
        if layer.bias is not None:
            y += layer.bias.data
        return y.reshape(*x.shape[:-1], layer.out_features)

    def backward(self, layer: Linear, dy: Array) -> Array | Any:  # dy (..., O)
        (x,) = layer.saved()
        dy_rows = dy.reshape(-1, layer.out_features)  # (N, O)
        x_rows = x.reshape(-1, layer.in_features)  # (N, I)
        self.add_product(dy_rows.T, x_rows, layer.weight.grad)
        if layer.bias is not None:
            self.add_sums(dy_rows, layer.bias.grad)
        if not layer.needs_dx:
            return None
        return self.multiply(dy_rows, layer.weight.data, x).reshape(x.shape)

    @staticmethod
    def factor(x: Array) -> Array:
        """Return x as it enters several products."""
        return x

    @staticmethod
    def multiply(a: Array, b: Array, like: Array) -> Array:
        """Return a b, of the dtype of ``like``."""
        return a @ b

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        """Add a b to ``out``."""
        out += a @ b

    @staticmethod
    def add_sums(rows: Array, out: Array) -> None:
        """Add Σ_n of rows (N, O) to ``out`` (O,)."""
        out += channel_sums(rows)
