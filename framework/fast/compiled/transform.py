"""T d Tᵀ for a small patch d of vectors, in registers; `firstlight.fast.compiled.winograd` uses it.

The matrices T hold 0, ±1 and ±1/2, and LLVM gets additions and subtractions only where T is not 0.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from firstlight.fast.compiled.tile import Vectors
from firstlight.support.array import Array

LANES = 16  # channels at a time
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)


def transform_of(matrix: Array) -> Callable[..., None]:
    """Return a compiled function that writes T d Tᵀ for 16 channels.

    Parameters
    ----------
    matrix : array, shape (n, m)
        T.

    Returns
    -------
    function
        ``transform(source, row, pixel, to, to_row, to_pixel)`` for compiled code. d has m × m
        pixels from address ``source`` on, ``row`` bytes from line to line and ``pixel`` from one to
        the next; T d Tᵀ has n × n, from ``to`` on.
    """
    size = matrix.shape[1]

    @intrinsic
    def transform(_, source, row, pixel, to, to_row, to_pixel):
        def write(context, builder, signature, values):
            code = Vectors(builder, LANES)
            patch = [
                [code.load(_place(code, i, j, *values[:3])) for j in range(size)]
                for i in range(size)
            ]
            rows = [_product(code, matrix, column) for column in zip(*patch, strict=True)]
            for i, line in enumerate(zip(*rows, strict=True)):
                for j, value in enumerate(_product(code, matrix, line)):
                    code.store(value, _place(code, i, j, *values[3:]))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), write

    return transform


def _place(code, i, j, address, row, pixel):
    """Return a pointer to pixel (i, j)."""
    builder = code.builder
    start = builder.inttoptr(address, _BYTE.as_pointer())
    offsets = builder.mul(row, _WORD(i)), builder.mul(pixel, _WORD(j))
    return code.after(start, builder.add(*offsets))


def _product(code: Vectors, matrix: Array, vectors: Any) -> list[Any]:
    """Return T v for a list v of vectors."""
    return [_combination(code, row, vectors) for row in matrix]


def _combination(code, row, vectors):
    """Return Σ factor · vector, beginning with a positive factor."""
    builder, total = code.builder, None
    for factor, vector in sorted(zip(row, vectors, strict=True), key=lambda pair: -pair[0]):
        if factor == 0:
            continue
        if abs(factor) != 1:
            vector = builder.fmul(vector, ir.Constant(code.kind, [abs(float(factor))] * code.size))
        if total is None:
            total = vector
        else:
            total = (builder.fadd if factor > 0 else builder.fsub)(total, vector)
    return total
