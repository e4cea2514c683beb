"""Regions: crop, mirror, and erase parts of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images, check_probability, interval
from firstlight.support.array import Array

ATTEMPTS = 10  # rectangles drawn for an image; the first that fits is used


@dataclass(eq=False)
class RandomCrop:
    """Crop each image at a random position.

    Parameters
    ----------
    size : int or (int, int), optional
        Height and width of the crop; by default those of the image.
    padding : int
        Pixels added on all sides first; with the default size, the largest shift.
    fill : float
        Value of these pixels.

    Raises
    ------
    ValueError
        A negative padding; a crop that is larger than the padded image.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import RandomCrop
    >>> x = np.ones((2, 32, 32, 3), "float32")
    >>> RandomCrop(28, padding=2)((x,), np.random.default_rng(0))[0].shape
    (2, 28, 28, 3)
    """

    size: int | tuple[int, int] | None = None
    padding: int = 0
    fill: float = 0.0

    def __post_init__(self) -> None:
        """Check the padding, and complete the size to a pair."""
        if self.padding < 0:
            raise ValueError(f"RandomCrop: expected padding of 0 or more, got {self.padding}")
        self.size = (self.size, self.size) if isinstance(self.size, int) else self.size

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with cropped images; the rest is unchanged."""
        x, *others = batch
        check_images("RandomCrop", x)
        n, *whole, _ = x.shape
        part = whole if self.size is None else self.size
        room = [a + 2 * self.padding - b for a, b in zip(whole, part, strict=True)]
        if min(room) < 0 or min(part) < 1:
            raise ValueError(
                f"RandomCrop: expected a size from 1 to {whole[0]} x {whole[1]} (the images') "
                f"with 2 * {self.padding} pixels of padding, got {part[0]} x {part[1]}"
            )
        if self.padding:
            border = ((0, 0), (self.padding,) * 2, (self.padding,) * 2, (0, 0))
            x = np.pad(x, border, constant_values=self.fill)
        rows, columns = (
            rng.integers(0, most + 1, (n, 1)) + np.arange(length)  # (N, length)
            for most, length in zip(room, part, strict=True)
        )
        image = np.arange(n)[:, None, None]
        return (x[image, rows[:, :, None], columns[:, None, :]], *others)


@dataclass(eq=False)
class RandomHorizontalFlip:
    """Mirror each image, left for right, with a probability; unsuitable for letters and digits.

    Parameters
    ----------
    p : float

    Raises
    ------
    ValueError
        A probability outside 0 ... 1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import RandomHorizontalFlip
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> RandomHorizontalFlip(1.0)((x,), np.random.default_rng(0))[0].ravel()
    array([2., 1.])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        """Check the probability."""
        check_probability("RandomHorizontalFlip", "p", self.p)

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with some images mirrored; the rest is unchanged."""
        x, *others = batch
        check_images("RandomHorizontalFlip", x)
        mirrored = rng.random((len(x), 1, 1, 1)) < self.p
        return (np.where(mirrored, x[:, :, ::-1], x), *others)


@dataclass(eq=False)
class RandomErasing:
    """Overwrite a random rectangle of each image, with a probability.

    The share of the image's area is uniform, the ratio of height to width log-uniform.

    Parameters
    ----------
    p : float
        Probability that an image loses a rectangle.
    scale : (min, max)
        Share of the image's area.
    ratio : (min, max)
        Height over width.
    value : float
        Value of the erased pixels.

    Raises
    ------
    ValueError
        A probability or an area outside 0 ... 1, a ratio that is not positive.

    References
    ----------
    Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import RandomErasing
    >>> x = np.ones((1, 10, 10, 1), "float32")
    >>> erased, = RandomErasing(p=1.0, scale=(0.2, 0.2))((x,), np.random.default_rng(0))
    >>> int((erased == 0).sum())
    21
    """

    p: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        given = f"scale={self.scale}, ratio={self.ratio}"
        check_probability("RandomErasing", "p", self.p)
        self.scale = interval("RandomErasing", "scale", self.scale, low=0)
        self.ratio = interval("RandomErasing", "ratio", self.ratio, low=0)
        if self.scale[1] > 1 or self.ratio[0] == 0:
            raise ValueError(
                f"RandomErasing: expected scale from 0 to 1 and ratio above 0, got {given}"
            )

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with rectangles erased; the rest is unchanged."""
        x, *others = batch
        check_images("RandomErasing", x)
        n, height, width, _ = x.shape
        area = rng.uniform(*self.scale, (n, ATTEMPTS)) * (height * width)
        ratio = np.exp(rng.uniform(*np.log(self.ratio), (n, ATTEMPTS)))
        tall, wide = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (tall < height) & (wide < width)  # (N, attempts)
        chosen = np.arange(n), fits.argmax(axis=1)
        tall, wide = tall[chosen], wide[chosen]  # (N,)
        tall = tall * (fits[chosen] & (rng.random(n) < self.p))  # 0 rows: nothing to erase
        inside = _span(tall, height, rng)[:, :, None] & _span(wide, width, rng)[:, None, :]
        return (np.where(inside[..., None], np.asarray(self.value, x.dtype), x), *others)


def _span(length, size, rng):
    """Return a mask (N, size), true on a span of the given length in each row, at random starts."""
    start = np.floor(rng.random(len(length)) * (size - length + 1))
    place = np.arange(size)
    return (place >= start[:, None]) & (place < (start + length)[:, None])
