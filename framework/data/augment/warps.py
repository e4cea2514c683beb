"""Warps, which move pixels by bilinear resampling; and `Compose`, which joins transforms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images, interval
from firstlight.data.transforms import Transform
from firstlight.support.array import Array

BLOCK_BYTES = 2**17  # of the images that are resampled at a time


class Warp:
    """Base class of transforms that move pixels.

    Subclasses implement `move`. Consecutive warps in a `Compose` share one resampling, because
    each resampling blurs and takes time.

    Attributes
    ----------
    fill : float
        Value outside the image; black after a `Scale` is not always 0.
    """

    fill: float = 0.0

    def move(
        self, rows: Array, columns: Array, shape: tuple[int, ...], rng: Any
    ) -> tuple[Array, Array]:
        """Return the source positions ``(rows, columns)`` of all pixels.

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


@dataclass(eq=False)
class RandomAffine(Warp):
    """Rotate, shear, scale and shift each image about its centre, by random amounts.

    Formula, for a pixel at p = (column, row) of the result, centre m, angle θ (clockwise), shears
    α, β, scale s and shift t::

        y(p) = x(q)       q = M⁻¹ (p - m - t) + m       M = s R(θ) S_β S_α

        R(θ) = [cos θ, -sin θ; sin θ, cos θ]    S_α = [1, -tan α; 0, 1]    S_β = [1, 0; -tan β, 1]

    Values between pixels are bilinear; see `resample`.

    Parameters
    ----------
    degrees : float or (min, max)
        Range of θ in degrees; a number d means (-d, d).
    translate : (float, float), optional
        Largest shift to the sides and up or down, as shares of width and height.
    scale : (min, max), optional
        Range of s.
    shear : float or (min, max) or (min, max, min, max), optional
        Range of α in degrees, and with four numbers of β.
    fill : float
        Value outside the image.

    Raises
    ------
    ValueError
        Reversed ranges, shares outside 0 ... 1, a scale that is not positive.

    Notes
    -----
    Names and meaning are torchvision's, with two differences: values between pixels are always
    bilinear, and shifts are not rounded to whole pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import RandomAffine
    >>> x = np.ones((2, 8, 8, 1), "float32")
    >>> x, y = RandomAffine(10, scale=(0.9, 1.1))((x, np.array([0, 1])), np.random.default_rng(0))
    >>> x.shape
    (2, 8, 8, 1)
    """

    degrees: Any
    translate: Any = None
    scale: Any = None
    shear: Any = None
    fill: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges, and complete them to pairs."""
        self.degrees = interval("RandomAffine", "degrees", self.degrees)
        given = self.translate
        self.translate = (0.0, 0.0) if given is None else tuple(given)
        if len(self.translate) != 2 or not all(0 <= share <= 1 for share in self.translate):
            raise ValueError(
                "RandomAffine: expected translate as two shares from 0 to 1, of width and "
                f"height, got {given}"
            )
        given = (1, 1) if self.scale is None else self.scale
        self.scale = interval("RandomAffine", "scale", given)
        if self.scale[0] <= 0:
            raise ValueError(f"RandomAffine: expected scale above 0, got {given}")
        four = np.size(self.shear) == 4
        ranges = (self.shear[:2], self.shear[2:]) if four else (self.shear or 0.0, 0.0)
        self.shear = tuple(n for pair in ranges for n in interval("RandomAffine", "shear", pair))

    def move(
        self, rows: Array, columns: Array, shape: tuple[int, ...], rng: Any
    ) -> tuple[Array, Array]:
        n, height, width, _ = shape

        def drawn(low, high):
            return rng.uniform(low, high, (n, 1, 1))  # (N, 1, 1)

        theta = np.radians(drawn(*self.degrees))
        shift_x, shift_y = (drawn(-share, share) for share in self.translate)
        scale = drawn(*self.scale)
        alpha, beta = (np.radians(drawn(*shear)) for shear in (self.shear[:2], self.shear[2:]))
        # M = s [a, b; c, d] with ad - bc = 1, so M⁻¹ = [d, -b; -c, a] / s
        a = np.cos(theta) + np.sin(theta) * np.tan(beta)
        b = -np.tan(alpha) * a - np.sin(theta)
        c = np.sin(theta) - np.cos(theta) * np.tan(beta)
        d = np.cos(theta) - np.tan(alpha) * c
        a, b, c, d = ((value / scale).astype("float32") for value in (a, b, c, d))  # (N, 1, 1)
        middle_x, middle_y = np.float32((width - 1) / 2), np.float32((height - 1) / 2)
        x = columns - middle_x - (shift_x * width).astype("float32")
        y = rows - middle_y - (shift_y * height).astype("float32")
        return a * y - c * x + middle_y, d * x - b * y + middle_x


@dataclass(eq=False)
class ElasticTransform(Warp):
    """Displace the pixels of each image by a smooth random field.

    Formula, with noise u uniform in ±1 for each pixel and direction, and a Gaussian G of standard
    deviation σ (zero beyond the image)::

        y(p) = x(p + d(p))        d = α (G * u)        Σ G = 1

    The Gaussian is separable: G * u = K_h u K_wᵀ, two products with small matrices.

    Parameters
    ----------
    alpha : float
        α, in pixels; the displacements' standard deviation is about 0.16 α / σ.
    sigma : float
        σ, in pixels; large values move whole strokes, small values distort them locally.
    fill : float
        Value outside the image.

    Raises
    ------
    ValueError
        A negative ``alpha``, a ``sigma`` that is not positive.

    Notes
    -----
    The field is defined on the result's pixels, also if another warp follows in a `Compose`; for
    random fields the order does not matter. torchvision's ``alpha`` is twice as large for the same
    displacements.

    References
    ----------
    P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied
    to visual document analysis", ICDAR 2003, section 2; defaults for 28 x 28 digits from there.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import ElasticTransform
    >>> x = np.ones((2, 28, 28, 1), "float32")
    >>> ElasticTransform()((x,), np.random.default_rng(0))[0].shape
    (2, 28, 28, 1)
    """

    alpha: float = 34.0
    sigma: float = 4.0
    fill: float = 0.0

    def __post_init__(self) -> None:
        """Check alpha and sigma."""
        if not self.alpha >= 0 or not self.sigma > 0:
            raise ValueError(
                "ElasticTransform: expected alpha of 0 or more and sigma above 0, got "
                f"alpha={self.alpha}, sigma={self.sigma}"
            )

    def move(
        self, rows: Array, columns: Array, shape: tuple[int, ...], rng: Any
    ) -> tuple[Array, Array]:
        n, height, width, _ = shape
        u = rng.random((2, n, height, width), dtype="float32")  # 0 ... 1
        u -= np.float32(0.5)
        across = gaussian_matrix(width, self.sigma) * np.float32(2 * self.alpha)  # (W, W)
        down = gaussian_matrix(height, self.sigma)  # (H, H)
        d = down @ (u.reshape(-1, width) @ across.T).reshape(u.shape)  # (2, N, H, W)
        return rows + d[0], columns + d[1]


class Compose:
    """Apply transforms in order; consecutive warps share one resampling.

    Parameters
    ----------
    transforms : list of callable
        Each ``f(batch, rng) -> batch``.

    Raises
    ------
    TypeError
        Something that cannot be called.

    Examples
    --------
    >>> from firstlight.data.augment import Compose, ElasticTransform, RandomAffine
    >>> from firstlight.data.transforms import Scale
    >>> Compose([Scale(255), RandomAffine(10), ElasticTransform()])
    Compose(Scale(high=255, mean=0.0, std=1.0), RandomAffine(degrees=(-10.0, 10.0), \
translate=(0.0, 0.0), scale=(1.0, 1.0), shear=(-0.0, 0.0, -0.0, 0.0), fill=0.0), \
ElasticTransform(alpha=34.0, sigma=4.0, fill=0.0))
    """

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms: list[Transform] = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(
                    f"Compose: expected transforms f(batch, rng) -> batch, got {transform!r}"
                )

    def __call__(self, batch: Any, rng: Any) -> Any:
        """Return the transformed batch."""
        for _, group in groupby(self.transforms, key=_resampling):
            first, *more = group
            if isinstance(first, Warp):
                x, *others = batch
                batch = (warped(x, [first, *more], rng), *others)
            else:
                for transform in (first, *more):
                    batch = transform(batch, rng)
        return batch

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def _resampling(transform):
    """Return a key that is equal for transforms that share a resampling: warps with one fill."""
    return ("warp", transform.fill) if isinstance(transform, Warp) else id(transform)


def warped(x: Array, warps: Sequence[Warp], rng: Any) -> Array:
    """Return images moved by several warps in order, in one resampling.

    All warps have the same ``fill``. The last warp moves the positions first:
    y₁(p) = x(q₁(p)) and y₂(p) = y₁(q₂(p)) give y₂(p) = x(q₁(q₂(p))).
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
    x is padded by one pixel, and positions outside are clipped to the padding. No position then
    needs a special case, and four flat look-ups fetch all neighbours. At integer positions y is
    exactly x. Images are processed a few at a time, so that temporaries stay in the cache.
    """
    n, height, width, _ = x.shape
    rows, columns = (np.broadcast_to(places, (n, height, width)) for places in (rows, columns))
    y, count = np.empty_like(x), max(1, BLOCK_BYTES // max(1, x[:1].nbytes))
    for start in range(0, n, count):
        some = slice(start, start + count)
        y[some] = _resampled(x[some], rows[some], columns[some], fill)
    return y


def _resampled(x, rows, columns, fill):
    n, height, width, channels = x.shape
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    flat = np.pad(x, border, constant_values=fill).reshape(-1, channels)  # (N (H+2) (W+2), C)
    r, f = _split_positions(rows, height)  # (N, H, W)
    c, g = _split_positions(columns, width)
    first = np.arange(n, dtype="int32")[:, None, None] * ((height + 2) * (width + 2))
    place = first + r * (width + 2) + c  # (N, H, W)
    f, g = f[..., None], g[..., None]  # (N, H, W, 1)
    above = _interpolated(flat, place, g)  # (N, H, W, C)
    below = _interpolated(flat, place + (width + 2), g)
    below -= above
    below *= f
    above += below
    return above


def gaussian_matrix(size: int, sigma: float) -> Array:
    """Return the matrix (size, size) that convolves a column, zero-padded, with a Gaussian."""
    offsets = np.arange(-size + 1, size)  # (2 size - 1,)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    whole = np.exp(-0.5 * (np.arange(-int(5 * sigma) - 1, int(5 * sigma) + 2) / sigma) ** 2).sum()
    places = np.arange(size)[:, None] - np.arange(size)[None, :] + size - 1  # (size, size)
    return (weights / whole)[places].astype("float32")


def _interpolated(flat, place, share):
    """Interpolate between ``flat[place]`` and its right neighbour, by ``share``."""
    left = flat.take(place, axis=0)  # (N, H, W, C)
    right = flat.take(place + 1, axis=0)
    right -= left
    right *= share
    left += right
    return left


def _split_positions(places, size):
    """Return the integer and fractional part of each position in the padded image."""
    places = np.clip(places + np.float32(1), 0, size + 1)
    whole = np.minimum(places.astype("int32"), size)  # (…)
    return whole, places - whole.astype("float32")
