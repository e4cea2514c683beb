"""Bilinear resampling: read images at positions between their pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images
from firstlight.support.array import Array


class Warp:
    """Base class of transforms that move pixels.

    Subclasses implement `move`. Consecutive warps in a `Compose` share one resampling: each
    resampling blurs, and takes time.

    Attributes
    ----------
    fill : float
        Value outside the image; black after a `Scale` is not always 0.
    """

    fill: float = 0.0

    def move(
        self, rows: Array, columns: Array, shape: tuple[int, ...], rng: Any
    ) -> tuple[Array, Array]:
        """Return ``(rows, columns)`` of the positions that the values are read from.

        Parameters
        ----------
        rows, columns : array, shape (N, H, W), float32
            A position for each pixel of the result, in pixels; initially ``rows[n, i, j]`` is i.
        shape : tuple of int
            (N, H, W, C) of the images.
        rng : numpy.random.Generator
        """
        raise NotImplementedError(f"{type(self).__name__}.move is missing")

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with its images x moved; the rest is unchanged."""
        x, *others = batch
        return (warped(x, [self], rng), *others)


def warped(x: Array, warps: Sequence[Warp], rng: Any) -> Array:
    """Return images moved by several warps in order, in one resampling.

    All have the ``fill`` of the first one. The last warp moves the positions first: from
    y₁(p) = x(q₁(p)) and y₂(p) = y₁(q₂(p)) follows y₂(p) = x(q₁(q₂(p))).
    """
    check_images(type(warps[0]).__name__, x)
    _, height, width, _ = x.shape
    rows = np.arange(height, dtype="float32")[None, :, None]  # (1, H, 1)
    columns = np.arange(width, dtype="float32")[None, None, :]  # (1, 1, W)
    for warp in reversed(warps):
        rows, columns = warp.move(rows, columns, x.shape, rng)
    return resample(x, rows, columns, warps[0].fill)


def resample(x: Array, rows: Array, columns: Array, fill: float = 0.0) -> Array:
    """Return images whose pixel (i, j) is x read at (rows[i, j], columns[i, j]).

    Formula, with r, c the integer parts of row and column and 0 ≤ f, g < 1 the rest::

        y = (1 - f) [(1 - g) x[r, c]   + g x[r, c+1]]
          +      f  [(1 - g) x[r+1, c] + g x[r+1, c+1]]

    Parameters
    ----------
    x : array, shape (N, H, W, C), floating
    rows, columns : array, shape (N, H, W)
        Or broadcastable to it.
    fill : float
        Value of all pixels outside x.

    Returns
    -------
    array, shape (N, H, W, C)

    Notes
    -----
    x is padded by one pixel, and positions beyond are clipped to the border: then no position is
    special, and four flat look-ups fetch all neighbours. At integer positions y is exactly x.
    """
    n, height, width, channels = x.shape
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    flat = np.pad(x, border, constant_values=fill).reshape(-1, channels)  # (N (H+2) (W+2), C)
    r, f = _whole_and_rest(rows, height)  # (N, H, W)
    c, g = _whole_and_rest(columns, width)
    first = np.arange(n, dtype="int32")[:, None, None] * ((height + 2) * (width + 2))
    place = first + r * (width + 2) + c  # (N, H, W)
    f, g = f[..., None], g[..., None]  # (N, H, W, 1)
    above = _between(flat, place, g)  # (N, H, W, C)
    below = _between(flat, place + (width + 2), g)
    below -= above
    below *= f
    above += below
    return above


def _between(flat, place, share):
    """Return ``flat[place]``, a ``share`` of the way to its right neighbour."""
    left = flat.take(place, axis=0)  # (N, H, W, C)
    right = flat.take(place + 1, axis=0)
    right -= left
    right *= share
    left += right
    return left


def _whole_and_rest(places, size):
    """Return the index below each place, in the image with its border, and how far beyond."""
    places = np.clip(places + np.float32(1), 0, size + 1)
    whole = np.minimum(places.astype("int32"), size)  # (…)
    return whole, places - whole.astype("float32")
