"""Linear on a GPU: products by cuBLAS, which a CUDA graph can capture."""

from firstlight.fast.blocked.linear import BlockedLinear
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import add_column_sums, contiguous
from firstlight.fast.cuda.gemm import matmul
from firstlight.nn.linear import Linear
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Linear, when=[gpu_float])
class CudaLinear(BlockedLinear):
    """Add the product to the gradient of the weight within cuBLAS."""

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        return matmul(a, b)

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        matmul(a, b, out=out, accumulate=True)

    @staticmethod
    def add_sums(rows: Array, out: Array) -> None:
        add_column_sums(contiguous(rows), out)
