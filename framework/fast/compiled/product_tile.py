"""A tile of a matrix product, summed in registers, and access to memory by address.

Jobs of a `team` get addresses, not arrays, and so do these functions for compiled code.
"""

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from firstlight.fast.compiled.tile import WIDE_REGISTERS, Vectors

COLUMNS = 32 if WIDE_REGISTERS else 16  # of a tile: two vectors of AVX-512 or AVX2
LANES = 16  # numbers that are copied at once
_BYTE, _WORD, _NUMBER = ir.IntType(8), ir.IntType(64), ir.FloatType()


@intrinsic
def numbers(_, address):
    """Return a pointer to the float32 numbers at an address, for ``carray``."""

    def write(context, builder, signature, values):
        return builder.inttoptr(values[0], _NUMBER.as_pointer())

    return types.CPointer(types.float32)(types.int64), write


@intrinsic
def words(_, address):
    """Return a pointer to the int64 numbers at an address, for ``carray``."""

    def write(context, builder, signature, values):
        return builder.inttoptr(values[0], _WORD.as_pointer())

    return types.CPointer(types.int64)(types.int64), write


@intrinsic
def copy_line(_, source, to):
    """Copy 16 numbers from one address to another."""

    def write(context, builder, signature, values):
        code = Vectors(builder, LANES)
        source, to = (builder.inttoptr(value, _NUMBER.as_pointer()) for value in values)
        code.store(code.load(source), to)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), write


@intrinsic
def copy_transposed(_, source, row, to, to_row):
    """Copy 16 times 16 numbers, transposed; rows are ``row`` and ``to_row`` bytes apart.

    Four times, the first and the second half of the 16 vectors are interleaved.
    """

    def write(context, builder, signature, values):
        code = Vectors(builder, LANES)
        source, to = (builder.inttoptr(values[i], _BYTE.as_pointer()) for i in (0, 2))
        lines = [
            code.load(code.after(source, builder.mul(values[1], _WORD(i)))) for i in range(LANES)
        ]
        half = LANES // 2
        for _ in range(4):
            pairs = zip(lines[:half], lines[half:], strict=True)
            lines = [code.interleaved(*pair, start) for pair in pairs for start in (0, half)]
        for i, line in enumerate(lines):
            code.store(line, code.after(to, builder.mul(values[3], _WORD(i))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), write


@intrinsic
def keep_first(_, address, count, value):
    """Set all but the first numbers of a line to a value; a line has as many as a panel columns."""

    def write(context, builder, signature, values):
        code, lane = Vectors(builder, COLUMNS), ir.IntType(32)
        place = builder.inttoptr(values[0], _BYTE.as_pointer())
        lanes = ir.Constant(ir.VectorType(lane, COLUMNS), list(range(COLUMNS)))
        kept = builder.icmp_signed("<", lanes, code.filled(builder.trunc(values[1], lane)))
        code.store(builder.select(kept, code.load(place), code.filled(values[2])), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32), write


@intrinsic
def largest(_, address, lines):
    """Return the largest number of some lines, besides NaN."""

    def write(context, builder, signature, values):
        code = Vectors(builder, COLUMNS)
        numbers = builder.inttoptr(values[0], _BYTE.as_pointer())
        most = code.register(ir.Constant(code.kind, [float("-inf")] * COLUMNS))
        with cgutils.for_range(builder, values[1]) as line:
            these = code.load(code.after(numbers, builder.mul(line.index, _WORD(COLUMNS * 4))))
            before = builder.load(most)
            larger = builder.fcmp_ordered(">", these, before)
            builder.store(builder.select(larger, these, before), most)
        return code.largest(builder.load(most))

    return types.float32(types.int64, types.int64), write


def tile_of(rows: int, columns: int = COLUMNS) -> Callable[..., None]:
    """Return a compiled tile of sums.

    6 rows by 16 columns fill 12 of AVX2's 16 registers, 12 by 32 fill 24 of AVX-512's 32.

    Returns
    -------
    function
        ``tile(a, a_row, a_step, b, b_row, k, c, c_row, add)`` for compiled code computes::

            c[p, q] = share · c[p, q] + Σ_t a[p, t] b[t, q]      t = 0 ... k - 1

        with share = 1 if ``add``, else 0. a, b and c are addresses; a_row, b_row and c_row are the
        bytes from one row to the next, a_step those from one t to the next.
    """

    @intrinsic
    def tile(_, a, a_row, a_step, b, b_row, k, c, c_row, add):
        kinds = [types.int64] * 8 + [types.boolean]

        def write(context, builder, signature, values):
            builder.call(_function(builder.module, rows, columns), values)
            return context.get_dummy_value()

        return types.void(*kinds), write

    return tile


def _function(module, rows, columns):
    """Return the tile as a function of its own; inlined, some of its sums leave the registers."""
    name = f"firstlight_tile_{rows}_{columns}"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [_WORD] * 8 + [ir.IntType(1)])
    function = ir.Function(module, kind, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    _write_tile(Vectors(builder, columns), rows, *function.args)
    builder.ret_void()
    return function


def _write_tile(code, rows, a, a_row, a_step, b, b_row, k, c, c_row, add):
    builder, number = code.builder, _NUMBER.as_pointer()
    a = builder.inttoptr(a, _BYTE.as_pointer())
    b = builder.inttoptr(b, _BYTE.as_pointer())
    a_rows = [code.after(a, builder.mul(a_row, _WORD(p))) for p in range(rows)]
    sums = [code.register(ir.Constant(code.kind, None)) for _ in range(rows)]  # zeros
    with cgutils.for_range(builder, k) as t:
        these = code.load(code.after(b, builder.mul(t.index, b_row)))
        offset = builder.mul(t.index, a_step)
        for a_p, total in zip(a_rows, sums, strict=True):
            value = builder.bitcast(code.after(a_p, offset), number)
            code.add_product(total, code.repeat(value), these)
    c = builder.inttoptr(c, _BYTE.as_pointer())
    places = [
        builder.bitcast(code.after(c, builder.mul(c_row, _WORD(p))), number) for p in range(rows)
    ]
    with builder.if_else(add) as (then, otherwise):
        with then:
            for place, total in zip(places, sums, strict=True):
                code.store(builder.fadd(code.load(place), builder.load(total)), place)
        with otherwise:
            for place, total in zip(places, sums, strict=True):
                code.store(builder.load(total), place)
