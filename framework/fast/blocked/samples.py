"""Sums and affine maps by sample and channel of channels-last arrays, as GroupNorm needs them.

As in `firstlight.fast.blocked.channels`, the last two axes are treated as one long row,
(N, H, W, C) as N maps of H rows of W C numbers. All passes are made over a block of samples while
it is in the cache, on all cores.
"""

import math

import numpy as np

from firstlight.fast.blocked.parallel import rows_per_block, spread
from firstlight.support.array import Array


def sample_moments(x: Array) -> tuple[Array, Array]:
    """Return mean and (biased) variance of each channel of each sample, both (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> sample_moments(np.array([[[1.0], [3.0]], [[5.0], [5.0]]]))
    (array([[2.],
           [5.]]), array([[1.],
           [0.]]))
    """
    maps, channels, n = _maps(x), x.shape[-1], math.prod(x.shape[1:-1])

    def moments(start, stop):
        block = maps[start:stop]
        mean = _fold(_row_sums(block), channels) / n
        d = block - _repeat(mean, block)
        return mean, _fold(_row_dots(d, d), channels) / n

    return _join(_spread(moments, maps))


def sample_dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """Return Σ dy and Σ dy (x - mean) of each channel of each sample, both (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1.0], [2.0]]]), np.array([[[5.0], [7.0]]])
    >>> sample_dots(dy, x, np.array([[4.0]]))
    (array([[3.]]), array([[7.]]))
    """
    maps, dy_maps, channels = _maps(x), _maps(dy), x.shape[-1]

    def dots(start, stop):
        g = dy_maps[start:stop]
        d = maps[start:stop] - _repeat(mean[start:stop], maps)
        sums = _row_sums(g), _row_dots(d, g)
        return [_fold(each, channels) for each in sums]

    return _join(_spread(dots, maps))


def sample_map(shift: Array, *terms: tuple[Array, Array]) -> Array:
    """Return Σ scale · x + shift over pairs (x, scale); scale and shift are (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> sample_map(np.array([[0.5], [0.0]]), (np.ones((2, 1)), np.array([[1.0], [2.0]])))
    array([[1.5],
           [2. ]])
    """
    y = np.empty_like(terms[0][0], order="C")
    y_maps, terms = _maps(y), [(_maps(x), scale) for x, scale in terms]

    def fill(start, stop):
        out = y_maps[start:stop]
        for index, (x, scale) in enumerate(terms):
            factor = _repeat(scale[start:stop], out)
            if index == 0:
                np.multiply(x[start:stop], factor, out=out)
            else:
                out += x[start:stop] * factor
        out += _repeat(shift[start:stop], out)

    _spread(fill, y_maps)
    return y


def _maps(x):
    """View (N, ..., W, C) as (N, R, W C), and (N, C) as (N, 1, C)."""
    width = math.prod(x.shape[max(1, x.ndim - 2) :])
    return np.asarray(x, order="C", like=x).reshape(len(x), math.prod(x.shape[1:-2]), width)


def _repeat(vectors, maps):  # (N, C) -> (N, 1, W C)
    return np.tile(vectors, maps.shape[2] // vectors.shape[1])[:, None]


def _row_sums(maps):  # (N, R, W C) -> (N, W C)
    if not isinstance(maps, np.ndarray):  # a product would be rounded by tensor cores
        return maps.sum(axis=1)
    return (np.ones_like(maps, shape=(1, maps.shape[1])) @ maps)[:, 0]


def _row_dots(a, b):  # (N, R, W C) twice -> (N, W C)
    if not isinstance(a, np.ndarray):
        return _row_sums(a * b)
    return np.einsum("nrj,nrj->nj", a, b)


def _fold(rows, channels):  # (N, W C) -> (N, C)
    return rows.reshape(len(rows), rows.shape[1] // channels, channels).sum(axis=1)


def _join(parts):
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _spread(function, maps):
    """Call ``function(start, stop)`` for blocks of samples; an empty batch is one empty block."""
    if not isinstance(maps, np.ndarray):
        return [function(0, len(maps))]
    block = rows_per_block(max(1, maps.itemsize * math.prod(maps.shape[1:])))
    return spread(function, max(1, len(maps)), block)
