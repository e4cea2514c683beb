"""Resizing of images along an axis: each new pixel is a weighted sum of a few old ones."""

from typing import Any

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.upsample import Upsample
from firstlight.support.array import Array
from firstlight.support.forms import form

SMALL = 60  # old pixels along an axis up to which the matrix product is faster


@form(Upsample, when=[numpy_float32])
class BlockedUpsample:
    """Multiply by small matrices, or take all new rows at once."""

    def __init__(self):
        self._known: dict[Any, Any] = {}  # matrices and taps

    def forward(self, layer: Upsample, x: Array) -> Array:  # x (N, H, W, C)
        rows, columns = (self._matrices(layer, axis, x) for axis in (0, 1))  # A and Aᵀ each
        layer.save(rows[1], columns[1])
        return resize(x, rows[0], columns[0])  # (N, H', W', C)

    def backward(self, layer: Upsample, dy: Array | None) -> Array | Any:  # dy (N, H', W', C)
        rows, columns = layer.saved()
        return None if dy is None else resize(dy, rows, columns)  # (N, H, W, C)

    def _matrices(self, layer, axis, x):
        """Return A and Aᵀ of an axis as `resize` takes them.

        They are kept, as no CUDA graph can capture a copy from the host.
        """
        old, scale = x.shape[1 + axis], layer.scale_factor and layer.scale_factor[axis]
        new = layer.new_size(axis, old)
        where = type(x), x.dtype, getattr(getattr(x, "device", None), "id", None)
        key = old, new, scale, layer.mode, layer.align_corners, *where
        if key not in self._known:
            weights = np.zeros((new, old), x.dtype)
            for i, j, a in layer.entries(axis, old):
                weights[i, j] = a
            self._known[key] = [_like(x, a, *resize_taps(a)) for a in (weights, weights.T)]
        return self._known[key]


def resize_taps(weights: Array) -> tuple[list[tuple[Array, Array | None]], Array | None]:
    """Return ``(taps, seen)``, a sparse form of a matrix for `resize`.

    Parameters
    ----------
    weights : numpy.ndarray, shape (new, old)
        The non-zero weights of a row are adjacent.

    Returns
    -------
    taps : list of (array of int, array or None), shape (new,) each
        An old pixel and its weight, for each new one; None where all weights are 1.
    seen : array of bool, or None
        The new pixels with any weight; None if all have.
    """
    used = weights != 0
    first, count = used.argmax(axis=1), used.sum(axis=1)  # (new,)
    taps, rows, most = [], np.arange(len(weights)), count.max()
    for n in range(most):
        places = first + np.clip(count - 1, 0, n)  # a row with fewer repeats its last one,
        halvings = np.clip(n + 2 - count, 0, most - count)  # in halves, as 0 · inf would be NaN
        factors = np.ldexp(weights[rows, places], -halvings)
        taps.append((places, None if (factors == 1).all() else factors))
    return taps, None if count.all() else count > 0


def resize(x: Array, rows: tuple[Any, ...], columns: tuple[Any, ...]) -> Array:
    """Return images x (N, H, W, C) with rows and columns multiplied by a matrix each.

    Dense products are used only if the matrices are small and the images finite: as 0 · NaN is
    NaN, one such pixel would spread to all others.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    rows, columns : (weights, taps, seen)
        A matrix (H', H) or (W', W), and the result of `resize_taps` for it.
    """
    matrices = rows[0], columns[0]
    y = np.empty_like(x, order="C", shape=(len(x), *map(len, matrices), x.shape[3]))
    weighted = any(factors is not None for _, taps, _ in (rows, columns) for _, factors in taps)
    small = isinstance(x, np.ndarray) and max(matrix.shape[1] for matrix in matrices) <= SMALL

    def block(start, stop):
        part = x[start:stop]
        if weighted and small and np.isfinite(part).all():
            part = matrices[0] @ part.reshape(
                *part.shape[:2], part.shape[2] * part.shape[3]
            )  # (n, H', W C)
            part = part.reshape(*part.shape[:2], *x.shape[2:])
            np.matmul(matrices[1], part, out=y[start:stop])
        else:
            y[start:stop] = _combine(_combine(part, 1, *rows[1:]), 2, *columns[1:])

    spread_rows(block, y)
    return y


def _combine(x, axis, taps, seen):
    along, y = (-1, *[1] * (x.ndim - axis - 1)), None
    for places, factors in taps:
        part = x.take(places, axis)
        if factors is not None:
            part *= factors.reshape(along)
        y = part if y is None else np.add(y, part, out=y)
    return y if seen is None else np.where(seen.reshape(along), y, 0)


def _like(x, weights, taps, seen):
    """Return a matrix and its sparse form as arrays of the same library as x."""

    def there(array):
        return None if array is None else np.asarray(array, like=x)

    return there(weights), [[there(array) for array in tap] for tap in taps], there(seen)
