"""Linear on a GPU: products by cuBLAS, which a CUDA graph can capture."""

from typing import Any

from firstlight.fast.blocked.linear import BlockedLinear
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import add_bias, add_column_sums, contiguous
from firstlight.fast.cuda.gemm import matmul, rounded
from firstlight.nn.linear import Linear
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Linear, when=[gpu_stored])
class CudaLinear(BlockedLinear):
    """Add the product to the gradient of the weight within cuBLAS; round each factor once."""

    def forward(self, layer: Linear, x: Array) -> Array:  # x (..., I)
        x_rows, w = rounded(x.reshape(-1, layer.in_features)), rounded(layer.weight.data)
        layer.save(x_rows, w, x.shape, x.dtype)
        y = matmul(x_rows, w.T, dtype=w.dtype)  # (N, O)
        add_bias(y, None if layer.bias is None else layer.bias.data)
        return y.reshape(*x.shape[:-1], layer.out_features)

    def backward(self, layer: Linear, dy: Array) -> Array | Any:  # dy (..., O)
        x_rows, w, shape, dtype = layer.saved()
        dy = dy.reshape(-1, layer.out_features)  # (N, O)
        if layer.bias is not None:
            self.add_sums(dy, layer.bias.grad)
        dy = rounded(dy)
        self.add_product(dy.T, x_rows, layer.weight.grad)
        return matmul(dy, w, dtype=dtype).reshape(shape) if layer.needs_dx else None

    @staticmethod
    def factor(x: Array) -> Array:
        return rounded(x)

    @staticmethod
    def multiply(a: Array, b: Array, like: Array) -> Array:
        return matmul(a, b, dtype=like.dtype)

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        matmul(a, b, out=out, accumulate=True)

    @staticmethod
    def add_sums(rows: Array, out: Array) -> None:
        add_column_sums(contiguous(rows), out)
