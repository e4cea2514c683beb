"""RandomAffine: rotate, shift, scale and shear images."""

from typing import Any

import numpy as np

from firstlight.data.augment._checks import interval
from firstlight.data.augment.resample import Warp
from firstlight.support.array import Array


class RandomAffine(Warp):
    """Rotate, shear, scale and shift each image about its centre by random amounts of its own.

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
        Ranges the wrong way round, shares outside 0 ... 1, a scale that is not positive.

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

    def __init__(
        self,
        degrees: float | tuple[float, float],
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        shear: Any = None,
        fill: float = 0.0,
    ) -> None:
        self.degrees: tuple[float, float] = interval("RandomAffine", "degrees", degrees)
        self.translate: tuple[float, ...] = (0.0, 0.0) if translate is None else tuple(translate)
        if len(self.translate) != 2 or not all(0 <= share <= 1 for share in self.translate):
            raise ValueError(
                "RandomAffine: expected translate as two shares from 0 to 1, of width and "
                f"height, got {translate}"
            )
        self.scale: tuple[float, float] = interval(
            "RandomAffine", "scale", (1, 1) if scale is None else scale
        )
        if self.scale[0] <= 0:
            raise ValueError(f"RandomAffine: expected scale above 0, got {scale}")
        four = np.size(shear) == 4
        across, down = (shear[:2], shear[2:]) if four else (shear or 0.0, 0.0)
        self.shear: tuple[float, float] = interval("RandomAffine", "shear", across)
        self.shear_y: tuple[float, float] = interval("RandomAffine", "shear", down)
        self.fill: float = fill

    def move(
        self, rows: Array, columns: Array, shape: tuple[int, ...], rng: Any
    ) -> tuple[Array, Array]:
        n, height, width, _ = shape

        def drawn(low, high):
            return rng.uniform(low, high, (n, 1, 1))  # (N, 1, 1)

        theta = np.radians(drawn(*self.degrees))
        shift_x, shift_y = (drawn(-share, share) for share in self.translate)
        scale = drawn(*self.scale)
        alpha, beta = (np.radians(drawn(*shear)) for shear in (self.shear, self.shear_y))
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

    def __repr__(self) -> str:
        return (
            f"RandomAffine(degrees={self.degrees}, translate={self.translate}, "
            f"scale={self.scale}, shear={(*self.shear, *self.shear_y)}, fill={self.fill:g})"
        )
