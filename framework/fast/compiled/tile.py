"""A tile of a product, summed in registers: the kernel of compiled convolutions.

A tile is a few positions by 16 (or 8) channels of y, whose sums stay in the core's registers until
they are complete. A table of offsets tells which numbers of x are multiplied with which weights::

    y[p, :] = start[p, :] + Σ_t Σ_r x[x_at[p] + tap_at[t] + r · x_step] w[t, r, :]

so that windows, strides and frames need no special code, and no patch is copied. For each step of
the sums, a core loads 16 weights and multiplies them with one number for each of 6 positions: 2
vector loads and 6 scalar loads for 12 vector multiplications, which take as long.

References
----------
Dukhan, "The Indirect Convolution Algorithm", 2019. Goto & van de Geijn, "Anatomy of
High-Performance Matrix Multiplication", 2008, section 5.
"""

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_NUMBER, _OFFSET, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)


def tile_of(places: int, channels: int, by_channel: bool = False) -> Callable[..., None]:
    """Return the compiled tile for a number of positions and channels; see the module docstring.

    Parameters
    ----------
    places, channels : int
        Their product, in vectors, should fill the registers: 12 of AVX2's 16.
    by_channel : bool
        If True, each channel of y sees only its own channel of x, which is a vector then.

    Returns
    -------
    function
        ``f(x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at)`` for compiled code.
        Arrays are 1-D, of float32, and of int64 those of offsets; r goes up to ``run``, and from
        one r to the next it is ``w_step`` numbers in w.
    """

    @intrinsic
    def tile(_, x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at):
        kinds = (x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at)

        def write(context, builder, signature, values):
            arrays = [
                context.make_array(kind)(context, builder, value)
                if isinstance(kind, types.Array)
                else value
                for kind, value in zip(kinds, values, strict=True)
            ]
            _write(_Vectors(builder, channels), places, by_channel, *arrays)
            return context.get_dummy_value()

        return types.void(*kinds), write

    return tile


def _write(
    code, places, by_channel, x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at
):
    """Emit the instructions of a tile; its two loops are not unrolled."""
    load_x = code.load if by_channel else code.repeat
    multiply, loop = code.builder.mul, lambda count: cgutils.for_range(code.builder, count)
    sums = [
        code.register(code.load(code.at(start, code.entry(start_at, p)))) for p in range(places)
    ]
    windows = [code.at(x, code.entry(x_at, p)) for p in range(places)]
    with loop(code.length(tap_at)) as tap:
        offset = code.entry(tap_at, tap.index)
        pixels = [code.after(window, offset) for window in windows]
        weights = code.at(w, multiply(tap.index, multiply(run, w_step)))
        with loop(run) as r:
            these = code.load(code.after(weights, multiply(r.index, w_step)))
            step = multiply(r.index, x_step)
            for pixel, total in zip(pixels, sums, strict=True):
                code.add_product(total, load_x(code.after(pixel, step)), these)
    for p in range(places):
        code.store(code.builder.load(sums[p]), code.at(y, code.entry(y_at, p)))


class _Vectors:
    """LLVM instructions on vectors of ``size`` numbers."""

    def __init__(self, builder, size):
        self.builder, self.kind = builder, ir.VectorType(_NUMBER, size)
        self.first_lane = ir.Constant(ir.VectorType(_LANE, size), [0] * size)
        function = ir.FunctionType(self.kind, [self.kind] * 3)
        name = f"llvm.fmuladd.v{size}f32"
        self.multiply_add = builder.module.declare_intrinsic(name, fnty=function)

    def length(self, array):
        return self.builder.extract_value(array.shape, 0)

    def after(self, pointer, offset):
        return self.builder.gep(pointer, [offset])

    def at(self, array, offset):
        return self.after(array.data, offset)

    def entry(self, table, index):
        index = _OFFSET(index) if isinstance(index, int) else index
        return self.builder.load(self.at(table, index))

    def load(self, pointer):
        return self.builder.load(self.builder.bitcast(pointer, self.kind.as_pointer()), align=4)

    def repeat(self, pointer):
        """Load one number into all lanes of a vector."""
        empty = ir.Constant(self.kind, ir.Undefined)
        one = self.builder.insert_element(empty, self.builder.load(pointer), _LANE(0))
        return self.builder.shuffle_vector(one, empty, self.first_lane)

    def store(self, value, pointer):
        self.builder.store(value, self.builder.bitcast(pointer, self.kind.as_pointer()), align=4)

    def register(self, value):
        """Return a variable; LLVM keeps it in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def add_product(self, total, a, b):
        value = self.builder.call(self.multiply_add, [a, b, self.builder.load(total)])
        self.builder.store(value, total)
