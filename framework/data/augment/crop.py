"""RandomCrop: cut out a random part of each image, or shift the image."""

from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images
from firstlight.support.array import Array


class RandomCrop:
    """Cut a part out of each image at a random place.

    Parameters
    ----------
    size : int or (int, int), optional
        Height and width of the part; by default those of the image.
    padding : int
        Pixels added on all sides first; with the default size, the largest shift.
    fill : float
        Value of these pixels.

    Raises
    ------
    ValueError
        A negative padding; a part that is larger than the padded image.

    Examples
    --------
    >>> from typing import Any

    import numpy as np
    >>> from firstlight.data.augment import RandomCrop
    >>> x = np.ones((2, 32, 32, 3), "float32")
    >>> RandomCrop(28, padding=2)((x,), np.random.default_rng(0))[0].shape
    (2, 28, 28, 3)
    """

    def __init__(
        self, size: int | tuple[int, int] | None = None, padding: int = 0, fill: float = 0.0
    ) -> None:
        if padding < 0:
            raise ValueError(f"RandomCrop: expected padding of 0 or more, got {padding}")
        self.size: tuple[int, int] | None = (size, size) if isinstance(size, int) else size
        self.padding: int = padding
        self.fill: float = fill

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch with cut images; the rest is unchanged."""
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

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding}, fill={self.fill:g})"
