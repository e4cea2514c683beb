"""Bilinear resampling: images read at places between their pixels."""

import numpy as np

from firstlight.data.augment.checks import check_images


class Warp:
    """Base class of transforms that move pixels: they say where from, this reads the values.

    Subclasses write `move`. Neighbouring warps in a `Compose` are done in one resampling: each
    resampling blurs, and costs.

    Attributes
    ----------
    fill : float
        Value of what lies outside the image; black after a `Scale` is not always 0.
    """

    fill = 0.0

    def move(self, rows, columns, shape, rng):
        """Return ``(rows, columns)``, moved to where these values shall come from.

        Parameters
        ----------
        rows, columns : array, shape (N, H, W), float32
            A place for each pixel of the result, in pixels; ``rows[n, i, j]`` is i at first.
        shape : tuple of int
            (N, H, W, C) of the images.
        rng : numpy.random.Generator
        """
        raise NotImplementedError(f"{type(self).__name__}.move is missing")

    def __call__(self, batch, rng):
        """Return the batch with its images x moved; all else stays as it is."""
        x, *others = batch
        return (warped(x, [self], rng), *others)


def warped(x, warps, rng):
    """Return images moved by several warps, the first one first, in one resampling.

    All have the ``fill`` of the first one. The last warp moves the places first: from
    y₁(p) = x(q₁(p)) and y₂(p) = y₁(q₂(p)) follows y₂(p) = x(q₁(q₂(p))).
    """
    check_images(type(warps[0]).__name__, x)
    rows, columns = grid(x.shape)
    for warp in reversed(warps):
        rows, columns = warp.move(rows, columns, x.shape, rng)
    return resample(x, rows, columns, warps[0].fill)


def grid(shape):
    """Return ``(rows, columns)`` of the pixels of images (N, H, W, C), (1, H, 1) and (1, 1, W)."""
    _, height, width, _ = shape
    rows = np.arange(height, dtype="float32")[None, :, None]  # (1, H, 1)
    return rows, np.arange(width, dtype="float32")[None, None, :]  # (1, 1, W)


def resample(x, rows, columns, fill=0.0):
    """Return images whose pixel (i, j) is x read at (rows[i, j], columns[i, j]).

    Formula, with r, c whole and 0 ≤ f, g < 1 the rest of row and column::

        y = (1 - f) [(1 - g) x[r, c]   + g x[r, c+1]]
          +      f  [(1 - g) x[r+1, c] + g x[r+1, c+1]]

    Parameters
    ----------
    x : array, shape (N, H, W, C), floating
    rows, columns : array, shape (N, H, W)
        Or what broadcasts to it.
    fill : float
        Stands for all pixels outside x.

    Returns
    -------
    array, shape (N, H, W, C)

    Notes
    -----
    x gets a border of one pixel, and places beyond go onto it: then no place is special, and four
    flat look-ups fetch all neighbours. At whole places f and g are 0 and y is exactly x.
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
