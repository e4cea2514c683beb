"""ElasticTransform: images bent as handwriting bends."""

import numpy as np

from firstlight.data.augment.resample import Warp


class ElasticTransform(Warp):
    """Move each pixel a little, neighbours alike: a smooth random field of displacements.

    Formula, with noise u uniform in ±1 for each pixel and direction, and a Gaussian G of standard
    deviation σ (zero beyond the image)::

        y(p) = x(p + d(p))        d = α (G * u)        Σ G = 1

    The Gaussian is separable, so that G * u = K_h u K_wᵀ: two products with small matrices.

    Parameters
    ----------
    alpha : float
        α, in pixels; the displacements' standard deviation is about 0.16 α / σ.
    sigma : float
        σ, in pixels; large ones move whole strokes, small ones tear them.
    fill : float
        Value outside the image.

    Raises
    ------
    ValueError
        A negative ``alpha``, a ``sigma`` that is not positive.

    Notes
    -----
    The field lies on the result's pixels. After another warp in a `Compose` it bends the moved
    image; before one it is moved with it in theory, which for random fields makes no difference.
    torchvision's ``alpha`` is twice as large for the same displacements.

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

    def __init__(self, alpha=34.0, sigma=4.0, fill=0.0):
        if not alpha >= 0 or not sigma > 0:
            raise ValueError(
                "ElasticTransform: expected alpha of 0 or more and sigma above 0, got "
                f"alpha={alpha}, sigma={sigma}"
            )
        self.alpha, self.sigma, self.fill = alpha, sigma, fill

    def move(self, rows, columns, shape, rng):  # rows, columns (N, H, W)
        n, height, width, _ = shape
        u = rng.random((2, n, height, width), dtype="float32")  # 0 ... 1
        u -= np.float32(0.5)
        across = gaussian_matrix(width, self.sigma) * np.float32(2 * self.alpha)  # (W, W)
        down = gaussian_matrix(height, self.sigma)  # (H, H)
        d = down @ (u.reshape(-1, width) @ across.T).reshape(u.shape)  # (2, N, H, W)
        return rows + d[0], columns + d[1]

    def __repr__(self):
        return f"ElasticTransform(alpha={self.alpha:g}, sigma={self.sigma:g}, fill={self.fill:g})"


def gaussian_matrix(size, sigma):
    """Return the matrix (size, size) that smooths a column by a Gaussian, zero beyond its ends."""
    offsets = np.arange(-size + 1, size)  # all that occur: (2 size - 1,)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    whole = np.exp(-0.5 * (np.arange(-int(5 * sigma) - 1, int(5 * sigma) + 2) / sigma) ** 2).sum()
    places = np.arange(size)[:, None] - np.arange(size)[None, :] + size - 1  # (size, size)
    return (weights / whole)[places].astype("float32")
