"""Launches of our CUDA kernels that several forms share, on float32 and float64 arrays of CuPy."""

import math

import numpy as np

from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.support.array import Array

CHUNKS = 64  # of rows; their sums are added in a second stage


# --- sums over rows --------------------------------------------------------------------------


def column_sums(x: Array, other: Array | None = None) -> Array:
    """Return Σ x over the rows of x (N, C), or Σ x · other."""
    rows, columns = x.shape
    if not rows:
        return np.zeros_like(x, shape=(columns,))
    chunk = max(32, -(-rows // CHUNKS))
    chunks = -(-rows // chunk)
    partial = np.empty_like(x, shape=(chunks, columns))
    grid = (blocks_for(columns), chunks)
    if other is None:
        launch("sums", "column_sums", x, grid, x, partial, rows, columns, chunk)
    else:
        launch("sums", "column_dots", x, grid, x, other, partial, rows, columns, chunk)
    if chunks == 1:
        return partial[0]
    total = np.empty_like(x, shape=(columns,))
    launch(
        "sums", "column_sums", x, (blocks_for(columns), 1), partial, total, chunks, columns, chunks
    )
    return total


def channel_sums(x: Array) -> Array:
    return column_sums(rows_of(x))


# --- shapes ------------------------------------------------------------------------------------


def contiguous(x: Array) -> Array:
    """Return x, or a contiguous copy."""
    return x if x.flags.c_contiguous else x.copy()


def rows_of(x: Array) -> Array:
    """Return x (..., C) as contiguous rows (n, C)."""
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
