"""RandomHorizontalFlip: mirror images, left for right."""

from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images, check_probability
from firstlight.support.array import Array


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
    >>> from typing import Any

    import numpy as np
    >>> from firstlight.data.augment import RandomHorizontalFlip
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> RandomHorizontalFlip(1.0)((x,), np.random.default_rng(0))[0].ravel()
    array([2., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        check_probability("RandomHorizontalFlip", "p", p)
        self.p: float = p

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with some images mirrored; the rest is unchanged."""
        x, *others = batch
        check_images("RandomHorizontalFlip", x)
        mirrored = rng.random((len(x), 1, 1, 1)) < self.p
        return (np.where(mirrored, x[:, :, ::-1], x), *others)

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"
