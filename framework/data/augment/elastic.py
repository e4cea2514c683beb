"""ElasticTransform: distort images by a smooth random field."""

from typing import Any

import numpy as np

from firstlight.data.augment.resample import Warp
from firstlight.support.array import Array


class ElasticTransform(Warp):
    """Displace the pixels of each image by a smooth random field.

    Formula, with noise u uniform in ±1 for each pixel and direction, and a Gaussian G of standard
    deviation σ (zero beyond the image)::

        y(p) = x(p + d(p))        d = α (G * u)        Σ G = 1

    The Gaussian is separable, so that G * u = K_h u K_wᵀ: two products with small matrices.

    Parameters
    ----------
    alpha : float
        α, in pixels; the displacements' standard deviation is about 0.16 α / σ.
    sigma : float
        σ, in pixels; large values move whole strokes, small ones tear them.
    fill : float
        Value outside the image.

    Raises
    ------
    ValueError
        A negative ``alpha``, a ``sigma`` that is not positive.

    Notes
    -----
    The field is defined on the result's pixels, also if another warp follows in a `Compose`: for
    random fields the order makes no difference. For the same displacements torchvision's ``alpha``
    is twice as large.

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

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, fill: float = 0.0) -> None:
        if not alpha >= 0 or not sigma > 0:
            raise ValueError(
                "ElasticTransform: expected alpha of 0 or more and sigma above 0, got "
                f"alpha={alpha}, sigma={sigma}"
            )
        self.alpha: float = alpha
        self.sigma: float = sigma
        self.fill: float = fill

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

    def __repr__(self) -> str:
        return f"ElasticTransform(alpha={self.alpha:g}, sigma={self.sigma:g}, fill={self.fill:g})"


def gaussian_matrix(size: int, sigma: float) -> Array:
    """Return the matrix (size, size) that convolves a column, zero-padded, with a Gaussian."""
    offsets = np.arange(-size + 1, size)  # (2 size - 1,)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    whole = np.exp(-0.5 * (np.arange(-int(5 * sigma) - 1, int(5 * sigma) + 2) / sigma) ** 2).sum()
    places = np.arange(size)[:, None] - np.arange(size)[None, :] + size - 1  # (size, size)
    return (weights / whole)[places].astype("float32")
