"""BatchNorm's sums and maps by channel, in one loop each; see `firstlight.fast.blocked.channels`.

Sums of a few rows are in single precision, which is fast; their totals are in double precision.
"""

import numpy as np

from firstlight.fast.blocked.channels import as_rows, fold, repeat
from firstlight.fast.blocked.parallel import even_rows, spread
from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

GROUP = 64  # rows
HOW = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and (biased) variance of each channel, over all axes but the last.

    References
    ----------
    Chan et al., "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
    1979, eq. 2.1.
    """
    rows = as_rows(x)  # (R, W C)
    counts, means, squares = zip(
        *_spread(lambda start, stop: _moments(rows[start:stop]), rows), strict=True
    )
    weights = np.array(counts)[:, None, None] / (x.size // x.shape[-1])
    means = np.reshape(means, (len(counts), -1, x.shape[-1]))  # (parts, W, C)
    mean = (weights * means).sum(axis=(0, 1))  # (C,)
    var = (weights * np.square(means - mean)).sum(axis=(0, 1))
    var += np.reshape(squares, means.shape).sum(axis=(0, 1)) / (x.size // x.shape[-1])
    return mean.astype(x.dtype), var.astype(x.dtype)


def dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """Return Σ dy and Σ dy (x - mean) of each channel, over all axes but the last."""
    rows, slopes = as_rows(x), as_rows(dy)
    center = repeat(mean, rows)
    parts = _spread(lambda start, stop: _dots(slopes[start:stop], rows[start:stop], center), rows)
    db, dw = (fold(sum(part), x).astype(x.dtype) for part in zip(*parts, strict=True))
    return db, dw


def affine(shift: Array, *terms: tuple[Array, Array]) -> Array:
    """Return Σ scale · x + shift over one or two pairs (x, scale)."""
    y = np.empty_like(terms[0][0], order="C")
    out = as_rows(y)
    (x, scale), *others = [(as_rows(array), repeat(factor, out)) for array, factor in terms]
    shift = repeat(shift, out)

    def fill(start, stop):
        n = slice(start, stop)
        for other, factor in others:
            _two(x[n], scale, other[n], factor, shift, out[n])
        if not others:
            _one(x[n], scale, shift, out[n])

    _spread(fill, out)
    return y


def _spread(function, rows):
    return spread(function, len(rows), even_rows(len(rows), rows.strides[0]))


@cached_njit(**HOW)
def _moments(x: Array) -> tuple[int, Array, Array]:
    n, width = x.shape
    mean, squares = np.zeros(width), np.zeros(width)
    part, deviations = np.empty(width, np.float32), np.empty(width, np.float32)
    for start in range(0, n, GROUP):
        stop = min(start + GROUP, n)
        part[:], deviations[:] = 0, 0
        for i in range(start, stop):
            for c in range(width):
                part[c] += x[i, c]
        for c in range(width):
            part[c] /= np.float32(stop - start)
        for i in range(start, stop):
            for c in range(width):
                apart = x[i, c] - part[c]
                deviations[c] += apart * apart
        share = (stop - start) / stop
        for c in range(width):
            apart = part[c] - mean[c]
            squares[c] += deviations[c] + apart * apart * (start * share)
            mean[c] += apart * share
    return n, mean, squares


@cached_njit(**HOW)
def _dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    n, width = x.shape
    db, dw = np.zeros(width), np.zeros(width)
    part_db, part_dw = np.empty(width, np.float32), np.empty(width, np.float32)
    for start in range(0, n, GROUP):
        part_db[:], part_dw[:] = 0, 0
        for i in range(start, min(start + GROUP, n)):
            for c in range(width):
                part_db[c] += dy[i, c]
                part_dw[c] += dy[i, c] * (x[i, c] - mean[c])
        for c in range(width):
            db[c] += part_db[c]
            dw[c] += part_dw[c]
    return db, dw


@cached_njit(**HOW)
def _one(x: Array, scale: Array, shift: Array, y: Array) -> None:
    n, width = x.shape
    for i in range(n):
        for c in range(width):
            y[i, c] = x[i, c] * scale[c] + shift[c]


@cached_njit(**HOW)
def _two(x: Array, scale: Array, other: Array, factor: Array, shift: Array, y: Array) -> None:
    n, width = x.shape
    for i in range(n):
        for c in range(width):
            y[i, c] = x[i, c] * scale[c] + other[i, c] * factor[c] + shift[c]
