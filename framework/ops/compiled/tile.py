"""A tile of a product, added up in registers: what compiled convolutions are made of.

A tile is a few places by 16 (or 8) channels of y, whose sums stay in the registers of the core
until they are complete. Which numbers of x meet which weights is a table of offsets::

    y[p, :] = start[p, :] + Σ_t Σ_r x[x_at[p] + tap_at[t] + r · x_step] w[t, r, :]

so that windows, strides and frames are all the same to it, and no patch is ever copied. For each
step of the sums, a core loads 16 weights and multiplies them with one number for each of 6
places: 2 loads of vectors and 6 of numbers for 12 multiplications of vectors, as many as it can do
meanwhile. 3 × 3 from 32 to 64 channels on 26 × 26 pixels: 95 GFLOP/s a core, of BLAS on patches 67.

References
----------
Dukhan, "The Indirect Convolution Algorithm", 2019. Goto & van de Geijn, "Anatomy of
High-Performance Matrix Multiplication", 2008, section 5.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

NUMBER, OFFSET = ir.FloatType(), ir.IntType(64)


def tile_of(places, channels, by_channel=False):
    """Return the compiled tile for so many places and channels; see the top of this file.

    Parameters
    ----------
    places, channels : int
        Their product, in vectors of the machine, should fill its registers: 12 of AVX2's 16.
    by_channel : bool
        Whether each channel of y sees only its own channel of x, which then is a vector as well.

    Returns
    -------
    function
        ``f(x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at)`` for compiled code;
        arrays are 1-D, of float32, and offsets of int64. ``w`` steps from one r to the next.
    """
    vector = ir.VectorType(NUMBER, channels)
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), channels), [0] * channels)

    @intrinsic
    def tile(_, x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at):
        given = (x, x_at, tap_at, run, x_step, w, w_step, start, start_at, y, y_at)

        def generate(context, code, signature, values):
            def of_array(index):
                return context.make_array(given[index])(context, code, values[index])

            def at(pointer, *offsets):
                return code.gep(pointer, [sum_of(offsets)])

            def sum_of(offsets):
                first, *others = offsets
                for other in others:
                    first = code.add(first, other)
                return first

            def offset_of(table, index):
                return code.load(at(table, OFFSET(index)))

            def load(pointer):
                return code.load(code.bitcast(pointer, vector.as_pointer()), align=4)

            def store(value, pointer):
                code.store(value, code.bitcast(pointer, vector.as_pointer()), align=4)

            def load_x(pointer):
                if by_channel:
                    return load(pointer)
                one = code.insert_element(
                    ir.Constant(vector, ir.Undefined), code.load(pointer), ir.IntType(32)(0)
                )
                return code.shuffle_vector(one, one, first_lane)

            x, x_at, taps_array, w, start, start_at, y, y_at = (
                of_array(index) for index in (0, 1, 2, 5, 7, 8, 9, 10)
            )
            run, x_step, w_step = values[3], values[4], values[6]
            taps = code.extract_value(taps_array.shape, 0)
            sums = [cgutils.alloca_once(code, vector) for _ in range(places)]
            seen = [at(x.data, offset_of(x_at.data, p)) for p in range(places)]
            for p in range(places):
                code.store(load(at(start.data, offset_of(start_at.data, p))), sums[p])
            multiply_add = code.module.declare_intrinsic(
                f"llvm.fmuladd.v{channels}f32", fnty=ir.FunctionType(vector, [vector] * 3)
            )
            with cgutils.for_range(code, taps) as tap:
                offset = code.load(at(taps_array.data, tap.index))
                pixels = [at(pointer, offset) for pointer in seen]
                weights = at(w.data, code.mul(tap.index, code.mul(run, w_step)))
                with cgutils.for_range(code, run) as step:
                    these = load(at(weights, code.mul(step.index, w_step)))
                    moved = code.mul(step.index, x_step)
                    for pixel, total in zip(pixels, sums, strict=True):
                        value = load_x(at(pixel, moved))
                        code.store(code.call(multiply_add, [value, these, code.load(total)]), total)
            for p in range(places):
                store(code.load(sums[p]), at(y.data, offset_of(y_at.data, p)))
            return context.get_dummy_value()

        return types.void(*given), generate

    return tile
