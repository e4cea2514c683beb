"""A tile of a product, summed in registers: the kernel of compiled convolutions.

A tile is a few windows by 16 (or 8) channels of y, whose sums stay in the core's registers until
they are complete. For window p, with offsets ``at`` in flat arrays::

    result[at[p]] = start[at[p]] + Σ_k x[at[p] + number_at[k]] w[k]

where result, start and w stand for all channels of the tile. The tables of offsets tell which
numbers of x are multiplied with which weights, so that windows, strides and frames need no special
code, and no patch is copied. For each step of the sums, a core loads 16 weights and multiplies them
with one number of each of 6 windows: 2 vector loads and 7 scalar loads for 12 vector multiply-adds,
so that loading takes no longer than computing. docs/fast.md has a picture.

References
----------
Dukhan, "The Indirect Convolution Algorithm", 2019. Goto & van de Geijn, "Anatomy of
High-Performance Matrix Multiplication", 2008, section 5.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from firstlight.support.array import Array

# With AVX-512 there are 32 registers of 16 numbers; with AVX2, 16 of 8.
WIDE_REGISTERS = "+avx512f" in (config.CPU_FEATURES or get_host_cpu_features())
_NUMBER, _OFFSET, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)


class Windows(NamedTuple):
    """Where the windows find their numbers; all offsets are in ``numbers``.

    Attributes
    ----------
    numbers : array of float32
        The images, flat.
    at : array of int64
        Offset of each window.
    number_at : array of int64
        Offset of each number from its window.
    """

    numbers: Array
    at: Array
    number_at: Array


class Places(NamedTuple):
    """Where the sums of each window begin or end: its channels are contiguous in ``numbers``.

    Attributes
    ----------
    numbers : array of float32
    at : array of int64
        Offset of the first channel, for each window.
    """

    numbers: Array
    at: Array


def tile_of(windows: int, channels: int, by_channel: bool = False) -> Callable[..., None]:
    """Return a compiled tile; see the module docstring.

    Parameters
    ----------
    windows, channels : int
        Size of the tile. Their product, in vectors, should be 8 to 12 with AVX2, which has 16
        registers, and up to 20 with AVX-512: fewer sums would wait for each other.
    by_channel : bool
        If True, each channel of y sees only its own channel of x, which is a vector then.

    Returns
    -------
    function
        ``tile(seen, weights, start, result, first)`` for compiled code, with `Windows`, a flat
        array of weights (numbers, channels), and two `Places`. It computes the sums of the
        windows with the indices ``first``, ``first + 1``, ...
    """

    @intrinsic
    def tile(_, seen, weights, start, result, first):
        kinds = (seen, weights, start, result, first)

        def write(context, builder, signature, values):
            arguments = [
                _unpacked(context, builder, kind, value)
                for kind, value in zip(kinds, values, strict=True)
            ]
            _write_tile(Vectors(builder, channels), windows, by_channel, *arguments)
            return context.get_dummy_value()

        return types.void(*kinds), write

    return tile


def _unpacked(context, builder, kind, value):
    """Return an argument with the attributes of its class; arrays get ``data`` and ``shape``."""
    if isinstance(kind, types.BaseNamedTuple):
        members = [
            _unpacked(context, builder, inner, builder.extract_value(value, index))
            for index, inner in enumerate(kind)
        ]
        return kind.instance_class(*members)
    if isinstance(kind, types.Array):
        return context.make_array(kind)(context, builder, value)
    return value


def _write_tile(code, count, by_channel, seen, weights, start, result, first):
    """Emit the instructions of a tile of ``count`` windows; a loop over the numbers of each."""
    load_x = code.load if by_channel else code.repeat
    indices = [code.builder.add(first, _OFFSET(p)) for p in range(count)]
    sums = [
        code.register(code.load(code.at(start.numbers, code.entry(start.at, p)))) for p in indices
    ]
    windows = [code.at(seen.numbers, code.entry(seen.at, p)) for p in indices]
    with cgutils.for_range(code.builder, code.length(seen.number_at)) as k:
        offset = code.entry(seen.number_at, k.index)
        row = code.builder.mul(k.index, _OFFSET(code.size))
        these = code.load(code.at(weights, row))
        for window, total in zip(windows, sums, strict=True):
            code.add_product(total, load_x(code.after(window, offset)), these)
    for p, total in zip(indices, sums, strict=True):
        place = code.at(result.numbers, code.entry(result.at, p))
        code.store(code.builder.load(total), place)


class Vectors:
    """LLVM instructions on vectors of ``size`` numbers."""

    def __init__(self, builder: Any, size: int) -> None:
        self.builder: Any = builder
        self.size: int = size
        self.kind: Any = ir.VectorType(_NUMBER, size)
        self.first_lane: Any = ir.Constant(ir.VectorType(_LANE, size), [0] * size)
        function = ir.FunctionType(self.kind, [self.kind] * 3)
        name = f"llvm.fmuladd.v{size}f32"
        self.multiply_add: Any = builder.module.declare_intrinsic(name, fnty=function)

    def length(self, array: Any) -> Any:
        return self.builder.extract_value(array.shape, 0)

    def after(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def at(self, array: Any, offset: Any) -> Any:
        return self.after(array.data, offset)

    def entry(self, table: Any, index: Any) -> Any:
        return self.builder.load(self.at(table, index))

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.kind.as_pointer()), align=4)

    def repeat(self, pointer: Any) -> Any:
        """Load one number into all lanes of a vector."""
        return self.filled(self.builder.load(pointer))

    def filled(self, value: Any) -> Any:
        """Return a vector with a number in all lanes."""
        empty = ir.Constant(ir.VectorType(value.type, self.size), ir.Undefined)
        one = self.builder.insert_element(empty, value, _LANE(0))
        return self.builder.shuffle_vector(one, empty, self.first_lane)

    def interleaved(self, a: Any, b: Any, start: int) -> Any:
        """Return a[start], b[start], a[start + 1], ... as a vector."""
        half = range(start, start + self.size // 2)
        lanes = [lane for i in half for lane in (i, self.size + i)]
        return self.builder.shuffle_vector(a, b, ir.Constant(self.first_lane.type, lanes))

    def largest(self, value: Any) -> Any:
        """Return the largest number of a vector without NaN."""
        kind = ir.FunctionType(_NUMBER, [self.kind])
        name = f"llvm.vector.reduce.fmax.v{self.size}f32"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [value], fastmath=("nnan",))

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.kind.as_pointer()), align=4)

    def register(self, value: Any) -> Any:
        """Return a variable; LLVM keeps it in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def add_product(self, total: Any, a: Any, b: Any) -> None:
        value = self.builder.call(self.multiply_add, [a, b, self.builder.load(total)])
        self.builder.store(value, total)
