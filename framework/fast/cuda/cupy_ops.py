"""Launches of our CUDA kernels that several forms share, on float32 and float64 arrays of CuPy."""

import math

import numpy as np

from firstlight.fast.cuda.kernel import BLOCK, WARP, launch
from firstlight.support.array import Array

CHUNK = 256  # rows, at least; the sums of several chunks are added in a second stage
BLOCKS = 512  # at most, in the first stage

# --- sums over rows --------------------------------------------------------------------------


def column_sums(x: Array, other: Array | None = None) -> Array:
    """Return Σ x over the rows of x (N, C), or Σ x · other."""
    total = np.empty_like(x, shape=x.shape[1:])
    _sum_columns(x, other, total, adds=False)
    return total


def add_column_sums(x: Array, out: Array) -> None:
    """Add Σ x over the rows of x (N, C) to ``out``, which has C elements."""
    if out.flags.c_contiguous and out.dtype == x.dtype:
        _sum_columns(x, None, out, adds=True)
    else:
        out += column_sums(x).reshape(out.shape)


def _sum_columns(x, other, out, adds):
    rows, columns = x.shape
    tiles = -(-columns // WARP)
    if not rows or not columns:
        if not adds:
            out[...] = 0
        return
    chunk = max(CHUNK, -(-rows * tiles // BLOCKS))
    chunks = -(-rows // chunk)
    block = WARP, BLOCK // WARP
    if chunks > 1:
        partial = np.empty_like(x, shape=(chunks, columns))
        arguments = (x, x if other is None else other, partial, rows, columns, chunk)
        launch("sums", "column_sums", x, (tiles, chunks), *arguments, int(other is not None), 0,
               block=block)  # fmt: skip
        x, other, rows = partial, None, chunks
    arguments = (x, x if other is None else other, out, rows, columns, rows)
    launch("sums", "column_sums", x, tiles, *arguments, int(other is not None), int(adds),
           block=block)  # fmt: skip


# --- shapes ------------------------------------------------------------------------------------


def contiguous(x: Array) -> Array:
    """Return x, or a contiguous copy."""
    return x if x.flags.c_contiguous else x.copy()


def rows_of(x: Array) -> Array:
    """Return x (..., C) as contiguous rows (n, C)."""
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
