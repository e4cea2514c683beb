"""The products of a Linear layer in register tiles, shared by a team of threads.

A tile has rows of the one factor and columns of the other, see `panels`. The columns must be
contiguous, so they are packed into panels first, filled up with zeros. In each of the three
products the smaller factor is packed as a whole, and the larger is read where it is, or packed a
panel at a time::

    yᵀ = W xᵀ        (O, N)     rows of W, panels of xᵀ
    dW = dyᵀ x       (O, I)     rows of dyᵀ, panels of x
    dx = dy W        (N, I)     rows of dy, panels of W

A job is an array of words: sizes and addresses, see `N` and so on. The functions of a job get its
address, the number of a chunk, and that of the thread.
"""

import numpy as np
from numba import carray

from firstlight.fast.compiled.code_cache import cached_cfunc, cached_njit
from firstlight.fast.compiled.panels import (
    BYTES,
    LINE,
    LOW,
    multiply_panel,
    pack,
    pack_transposed,
    panels,
)
from firstlight.fast.compiled.product_tile import COLUMNS, numbers, words
from firstlight.fast.compiled.team import chunk_signature, run
from firstlight.support.array import Array

ROWS = 24  # of W, or of dyᵀ, in a chunk
N, I, O, X, W, BIAS, Y, DY, DW, DB, DX, PANELS, OWN, OWN_BYTES, WORDS = range(15)  # noqa: E741


@cached_njit(error_model="numpy")
def forward(
    state: Array, jobs: tuple[int, int], x: Array, w: Array, b: Array, memory: Array, y: Array
) -> None:
    """Set y (N, O) to x (N, I) Wᵀ + b; an empty b adds nothing."""
    (n, i), o = x.shape, w.shape[0]
    job = np.empty(WORDS, np.int64)
    job[N], job[I], job[O], job[X], job[W] = n, i, o, x.ctypes.data, w.ctypes.data
    job[BIAS], job[Y] = b.ctypes.data if b.size else 0, y.ctypes.data
    _divide(job, memory.ctypes.data, panels(n) * i)
    run(state, jobs[0], job.ctypes.data, panels(n))
    run(state, jobs[1], job.ctypes.data, _parts(o))
    job[N] = 0  # until here, the array must not be freed


@cached_njit(error_model="numpy")
def backward(
    state: Array,
    jobs: tuple[int, int],
    x: Array,
    w: Array,
    dy: Array,
    memory: Array,
    dw: Array,
    db: Array,
    dx: Array,
) -> None:
    """Add dyᵀ x to dW and Σ dy to db, and set dx to dy W; skip db and dx if they are empty."""
    (n, i), o = x.shape, w.shape[0]
    job = np.empty(WORDS, np.int64)
    job[N], job[I], job[O], job[X], job[W] = n, i, o, x.ctypes.data, w.ctypes.data
    job[DY], job[DW], job[DX] = dy.ctypes.data, dw.ctypes.data, dx.ctypes.data
    job[DB] = db.ctypes.data if db.size else 0
    _divide(job, memory.ctypes.data, panels(i) * n)
    run(state, jobs[0], job.ctypes.data, panels(i))
    run(state, jobs[1], job.ctypes.data, _parts(o) + (panels(i) if dx.size else 0))
    job[N] = 0  # until here, the array must not be freed


def memory_size(n: int, i: int, o: int, threads: int) -> int:
    """Return how many numbers of memory `forward` and `backward` need."""
    lines = max(panels(n) * i, panels(i) * n)
    return COLUMNS * (lines + 1) + threads * _own(n, o)


@cached_njit()
def _divide(job, memory, lines):
    """Divide the memory into the panels that all threads read, and a part for each thread."""
    job[PANELS] = (memory + LINE - 1) // LINE * LINE  # a panel's rows are cache lines
    job[OWN] = job[PANELS] + lines * LINE
    job[OWN_BYTES] = _own(job[N], job[O]) * BYTES


@cached_njit()
def _own(n, o):
    """Return the numbers of a thread's own memory: a part of dyᵀ or a panel of W, sums, a tile."""
    return max(ROWS * n, COLUMNS * o) + (ROWS + LOW) * COLUMNS


@cached_njit()
def _parts(count):
    return (count + ROWS - 1) // ROWS


# --- the chunks of jobs -------------------------------------------------------------------------


@cached_njit(error_model="numpy")
def _weight_gradient(told, part, own):
    n, i, o = told[N], told[I], told[O]
    first = part * ROWS
    rows = min(ROWS, o - first)
    dy = carray(numbers(told[DY]), (n, o))
    packed = carray(numbers(own), (n, ROWS))
    edge = own + n * ROWS * BYTES
    for t in range(n):
        for p in range(rows):
            packed[t, p] = dy[t, first + p]
    if told[DB]:
        db = carray(numbers(told[DB] + first * BYTES), (rows,))
        sums = carray(numbers(edge), (rows,))
        sums[:] = 0
        for t in range(n):
            for p in range(rows):
                sums[p] += packed[t, p]
        for p in range(rows):
            db[p] += sums[p]
    to = told[DW] + first * i * BYTES
    for panel in range(panels(i)):
        columns = min(COLUMNS, i - panel * COLUMNS)
        b, c = told[PANELS] + panel * n * LINE, to + panel * LINE
        multiply_panel(
            *(own, BYTES, ROWS * BYTES, rows, b, LINE, n, columns, c, i * BYTES, True, edge)
        )


@cached_njit(error_model="numpy")
def _input_gradient(told, panel, own):
    n, i, o = told[N], told[I], told[O]
    columns = min(COLUMNS, i - panel * COLUMNS)
    pack(told[W] + panel * LINE, i * BYTES, o, columns, own)
    to, edge = told[DX] + panel * LINE, own + o * LINE
    multiply_panel(
        *(told[DY], o * BYTES, BYTES, n, own, LINE, o, columns, to, i * BYTES, False, edge)
    )


@cached_cfunc(chunk_signature, error_model="numpy")
def pack_inputs(job, panel, _):
    """Pack a panel of x."""
    told = carray(words(job), (WORDS,))
    n, i = told[N], told[I]
    columns = min(COLUMNS, i - panel * COLUMNS)
    to = told[PANELS] + panel * n * LINE
    pack(told[X] + panel * LINE, i * BYTES, n, columns, to)


@cached_cfunc(chunk_signature, error_model="numpy")
def pack_transposed_inputs(job, panel, _):
    """Pack a panel of xᵀ."""
    told = carray(words(job), (WORDS,))
    n, i = told[N], told[I]
    first = panel * COLUMNS
    to = told[PANELS] + panel * i * LINE
    pack_transposed(told[X] + first * i * BYTES, i * BYTES, i, min(COLUMNS, n - first), to)


@cached_cfunc(chunk_signature, error_model="numpy")
def outputs(job, part, thread):
    """Compute 24 columns of y."""
    told = carray(words(job), (WORDS,))
    n, i, o = told[N], told[I], told[O]
    first = part * ROWS
    rows = min(ROWS, o - first)
    own = told[OWN] + thread * told[OWN_BYTES]
    edge = own + ROWS * LINE
    sums = carray(numbers(own), (ROWS, COLUMNS))
    y = carray(numbers(told[Y]), (n, o))
    bias = carray(numbers(told[BIAS]), (o,))
    a = told[W] + first * i * BYTES
    for panel in range(panels(n)):
        b = told[PANELS] + panel * i * LINE
        multiply_panel(*(a, i * BYTES, BYTES, rows, b, LINE, i, COLUMNS, own, LINE, False, edge))
        for q in range(min(COLUMNS, n - panel * COLUMNS)):
            row = y[panel * COLUMNS + q]
            if told[BIAS]:
                for p in range(rows):
                    row[first + p] = sums[p, q] + bias[first + p]
            else:
                for p in range(rows):
                    row[first + p] = sums[p, q]


@cached_cfunc(chunk_signature, error_model="numpy")
def gradients(job, chunk, thread):
    """Compute 24 rows of dW and numbers of db, or a panel of dx."""
    told = carray(words(job), (WORDS,))
    own = told[OWN] + thread * told[OWN_BYTES]
    if chunk < _parts(told[O]):
        _weight_gradient(told, chunk, own)
    else:
        _input_gradient(told, chunk - _parts(told[O]), own)
