"""Recurrent layers on a GPU: products by cuBLAS, which a CUDA graph can capture."""

import numpy as np

from firstlight.fast.blocked.recurrent import BlockedCell, BlockedRecurrent
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.gemm import matmul
from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Cell, when=[gpu_float])
class CudaCell(BlockedCell):
    """Add the products to the gradients of the weights within cuBLAS."""

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        return matmul(a, b)

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        matmul(a, b, out=out, accumulate=True)


@form(Recurrent, when=[gpu_float])
class CudaRecurrent(BlockedRecurrent):
    """Add the products to the gradients of the weights within cuBLAS."""

    multiply = staticmethod(CudaCell.multiply)
    add_product = staticmethod(CudaCell.add_product)

    @staticmethod
    def join(steps: list[Array]) -> Array:
        # CuPy joins more than 8 by a list of addresses from the host, which no graph can capture.
        whole = np.empty_like(steps[0], order="C", shape=(len(steps), *steps[0].shape))
        for part, step in zip(whole, steps, strict=True):
            part[...] = step
        return whole.reshape(-1, whole.shape[2])
