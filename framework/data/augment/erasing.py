"""RandomErasing: overwrite a rectangle of images."""

from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images, check_probability, interval
from firstlight.support.array import Array

ATTEMPTS = 10  # rectangles drawn for an image; the first that fits is used


class RandomErasing:
    """Overwrite a random rectangle of each image, with a probability.

    Its area is a uniform share of the image's, its height over width log-uniform.

    Parameters
    ----------
    p : float
        Probability that an image loses a rectangle.
    scale : (min, max)
        Share of the image's area.
    ratio : (min, max)
        Height over width.
    value : float
        What to write.

    Raises
    ------
    ValueError
        A probability or an area outside 0 ... 1, a ratio that is not positive.

    References
    ----------
    Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1.

    Examples
    --------
    >>> from typing import Any

    import numpy as np
    >>> from firstlight.data.augment import RandomErasing
    >>> x = np.ones((1, 10, 10, 1), "float32")
    >>> erased, = RandomErasing(p=1.0, scale=(0.2, 0.2))((x,), np.random.default_rng(0))
    >>> int((erased == 0).sum())
    21
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0.0,
    ) -> None:
        check_probability("RandomErasing", "p", p)
        self.p: float = p
        self.value: float = value
        self.scale: tuple[float, float] = interval("RandomErasing", "scale", scale, low=0)
        self.ratio: tuple[float, float] = interval("RandomErasing", "ratio", ratio, low=0)
        if self.scale[1] > 1 or self.ratio[0] == 0:
            raise ValueError(
                "RandomErasing: expected scale from 0 to 1 and ratio above 0, got "
                f"scale={scale}, ratio={ratio}"
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

    def __repr__(self) -> str:
        settings = f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value:g}"
        return f"RandomErasing({settings})"


def _span(length, size, rng):
    """Return (N, size), true on a span of each row with this length and a random start."""
    start = np.floor(rng.random(len(length)) * (size - length + 1))
    place = np.arange(size)
    return (place >= start[:, None]) & (place < (start + length)[:, None])
