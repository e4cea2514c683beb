"""Launches of our CUDA kernels that several forms share."""

import math

import numpy as np

from firstlight.fast.cuda.kernel import BLOCK, WARP, launch, real, reals
from firstlight.support.array import Array

CHUNK = 256  # rows, at least; the sums of several chunks are added in a second stage
BLOCKS = 512  # at most, in the first stage

# --- sums over rows --------------------------------------------------------------------------


def column_sums(x: Array) -> Array:
    """Return Σ x over the rows of x (N, C)."""
    total = reals(x, x.shape[1:])
    _sum_columns(x, total, adds=False)
    return total


def add_column_sums(x: Array, *outs: Array) -> None:
    """Add Σ x over the rows of x (N, C) to one or two arrays, which have C elements together."""
    if all(takes_sums(out, x) for out in outs):
        _sum_columns(x, *outs, adds=True)
        return
    total = column_sums(x)
    for out in outs:
        out += total[: out.size].reshape(out.shape)
        total = total[out.size :]


def takes_sums(out: Array, x: Array) -> bool:
    """Return True if kernels can add sums of x to an array."""
    return out.flags.c_contiguous and out.dtype == real(x.dtype)


def _sum_columns(x, out, more=None, *, adds):
    rows, columns = x.shape
    tiles = -(-columns // WARP)
    if not rows or not columns:
        if not adds:
            out[...] = 0
        return
    chunk = max(CHUNK, -(-rows * tiles // BLOCKS))
    chunks = -(-rows // chunk)
    block = WARP, BLOCK // WARP
    more, split = (out, columns) if more is None else (more, out.size)
    if chunks > 1:
        partial = reals(x, (chunks, columns))
        arguments = x, partial, partial, columns, rows, columns, chunk, 0
        launch("sums", "column_sums", x, (tiles, chunks), *arguments, block=block)
        x, rows = partial, chunks
    arguments = x, out, more, split, rows, columns, rows, int(adds)
    launch("sums", "column_sums", x, tiles, *arguments, block=block)


# --- shapes and dtypes ---------------------------------------------------------------------------


def contiguous(x: Array) -> Array:
    """Return x, or a contiguous copy."""
    return x if x.flags.c_contiguous else x.copy()


def contiguous_like(x: Array, like: Array) -> Array:
    """Return x as a contiguous array of the shape and dtype of ``like``."""
    if x.shape != like.shape:
        x = np.broadcast_to(x, like.shape)
    return contiguous(x.astype(like.dtype, copy=False))


def add_bias(y: Array, bias: Array | None) -> None:
    """Add b (C,) to y (..., C), whose dtype may be a smaller one."""
    if bias is not None:
        np.add(y, bias, out=y, casting="unsafe")


def rows_of(x: Array) -> Array:
    """Return x (..., C) as contiguous rows (n, C)."""
    return contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
