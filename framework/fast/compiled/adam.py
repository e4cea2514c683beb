"""Adam's step in one pass, for which NumPy needs thirteen, shared by a team of threads."""

import math
import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from firstlight.fast.blocked.parallel import workers
from firstlight.fast.compiled.code_cache import cached_cfunc, cached_njit
from firstlight.fast.compiled.product_tile import numbers, words
from firstlight.fast.compiled.team import chunk_signature, run, state_of
from firstlight.support.array import Array

CHUNK = 16_384  # numbers
SIZE, WEIGHTS, GRADIENTS, FIRST, SECOND, FACTORS, WORDS = range(7)  # of a job
FLUSH = 0x8040  # bits of MXCSR: denormal results and operands are zero

_ON_X86 = platform.machine() in ("x86_64", "AMD64")


def step(
    group: dict[str, Any], t: int, w: Array, g: Array, m: Array, v: Array, *, decoupled: bool
) -> None:
    """Compute what `BlockedAdam.update` does, equal to the last bit but for denormal numbers.

    The moments of a unit whose gradient stays zero fade until they are denormal, and a processor
    takes many times as long for denormal numbers. They are zero here. With ``decoupled``, the
    weight decay is AdamW's.
    """
    state = state_of(workers() if w.size > CHUNK else 1)
    _descend(state, chunk.address, _factors(group, t, decoupled), w, g, m, v)


def _factors(group, t, decoupled):
    """Return the numbers of a step: those of `BlockedAdam.descend`, and of both weight decays."""
    (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
    return np.array(
        [
            *(beta1, 1 - beta1, beta2, 1 - beta2),
            *((1 - beta2**t) ** -0.5, group["eps"], lr / (1 - beta1**t)),
            *((0.0, 1 - lr * decay) if decoupled else (decay, 1.0)),
        ],
        "float32",
    )


def clear(g: Array) -> None:
    """Set a flat array to zero."""
    _clear(state_of(workers() if g.size > CHUNK else 1), zeros.address, g)


@cached_njit()
def _clear(state, function, g):
    job = np.empty(WORDS, np.int64)
    job[SIZE], job[GRADIENTS] = g.size, g.ctypes.data
    run(state, function, job.ctypes.data, (g.size + CHUNK - 1) // CHUNK)
    job[SIZE] = 0  # until here, the array must not be freed


@cached_njit()
def _descend(state, function, factors, w, g, m, v):
    job = np.empty(WORDS, np.int64)
    job[SIZE], job[FACTORS], job[WEIGHTS] = w.size, factors.ctypes.data, w.ctypes.data
    job[GRADIENTS], job[FIRST], job[SECOND] = g.ctypes.data, m.ctypes.data, v.ctypes.data
    run(state, function, job.ctypes.data, (w.size + CHUNK - 1) // CHUNK)
    job[SIZE] = 0  # until here, the array must not be freed


@intrinsic
def _set_control(_, bits):
    """Set bits of the processor's floating-point control word; return what it was."""

    def write(context, builder, signature, values):
        if not _ON_X86:
            return values[0]
        word, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte])
        place = cgutils.alloca_once(builder, word)
        at = builder.bitcast(place, byte)
        for name, change in (("st", None), ("ld", values[0])):
            if change is not None:
                before = builder.load(place)
                builder.store(builder.or_(before, change), place)
            name = f"llvm.x86.sse.{name}mxcsr"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [at])
        return before

    return types.int32(types.int32), write


@intrinsic
def _restore_control(_, control):
    """Set the control word to what `_set_control` returned."""

    def write(context, builder, signature, values):
        if _ON_X86:
            byte = ir.IntType(8).as_pointer()
            kind = ir.FunctionType(ir.VoidType(), [byte])
            place = cgutils.alloca_once_value(builder, values[0])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr")
            builder.call(function, [builder.bitcast(place, byte)])
        return context.get_dummy_value()

    return types.void(types.int32), write


@cached_njit(error_model="numpy")
def _update(w, g, m, v, factors):
    beta1, rest1, beta2, rest2, correction, eps, lr, decay, shrink = factors
    if decay == 0 and shrink == 1:
        for i in range(w.size):
            first = m[i] * beta1 + g[i] * rest1
            second = v[i] * beta2 + g[i] * g[i] * rest2
            w[i] -= first / (math.sqrt(second) * correction + eps) * lr
            m[i], v[i] = first, second
    else:
        for i in range(w.size):
            slope = g[i] if decay == 0 else w[i] * decay + g[i]
            first = m[i] * beta1 + slope * rest1
            second = v[i] * beta2 + slope * slope * rest2
            w[i] = w[i] * shrink - first / (math.sqrt(second) * correction + eps) * lr
            m[i], v[i] = first, second


@cached_cfunc(chunk_signature, error_model="numpy")
def chunk(job, index, _):
    """Update a chunk of the flat arrays."""
    told = carray(words(job), (WORDS,))
    first = index * CHUNK
    size, skip = min(CHUNK, told[SIZE] - first), 4 * first
    f = carray(numbers(told[FACTORS]), (9,))
    control = _set_control(np.int32(FLUSH))
    _update(
        carray(numbers(told[WEIGHTS] + skip), (size,)),
        carray(numbers(told[GRADIENTS] + skip), (size,)),
        carray(numbers(told[FIRST] + skip), (size,)),
        carray(numbers(told[SECOND] + skip), (size,)),
        (f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]),
    )
    _restore_control(control)


@cached_cfunc(chunk_signature, error_model="numpy")
def zeros(job, index, _):
    """Set a chunk of the gradients to zero."""
    told = carray(words(job), (WORDS,))
    first = index * CHUNK
    size = min(CHUNK, told[SIZE] - first)
    carray(numbers(told[GRADIENTS] + 4 * first), (size,))[:] = 0
