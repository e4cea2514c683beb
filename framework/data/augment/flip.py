"""RandomHorizontalFlip: images as in a mirror."""

import numpy as np

from firstlight.data.augment.checks import check_images, check_probability


class RandomHorizontalFlip:
    """Mirror each image, left for right, with a probability; not for letters and digits.

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

    def __init__(self, p=0.5):
        check_probability("RandomHorizontalFlip", "p", p)
        self.p = p

    def __call__(self, batch, rng):
        """Return the batch with some images mirrored; all else stays as it is."""
        x, *others = batch
        check_images("RandomHorizontalFlip", x)
        mirrored = rng.random((len(x), 1, 1, 1)) < self.p
        return (np.where(mirrored, x[:, :, ::-1], x), *others)

    def __repr__(self):
        return f"RandomHorizontalFlip(p={self.p})"
