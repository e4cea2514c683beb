"""MixUp and CutMix: combine two images, and their labels in proportion."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.data.augment._checks import check_images
from firstlight.support.array import Array
from firstlight.support.batches import describe_batch


@dataclass(eq=False, kw_only=True)
class _Mix:
    """Base class of MixUp and CutMix: arguments and soft targets."""

    alpha: float = 1.0
    num_classes: int | None = None

    def __post_init__(self) -> None:
        """Check alpha and num_classes."""
        name = type(self).__name__
        if not self.alpha > 0:
            raise ValueError(f"{name}: expected alpha above 0, got {self.alpha}")
        if self.num_classes is not None and self.num_classes < 1:
            raise ValueError(f"{name}: expected num_classes of 1 or more, got {self.num_classes}")

    def _pair(self, batch):
        """Return the batch ``(x, y)``; raise a ValueError if it has sample weights."""
        if len(batch) != 2:
            raise ValueError(
                f"{type(self).__name__}: expected batches (x, y), got {describe_batch(batch)}; "
                "samples with weights cannot be mixed: leave out the weights, or the transform"
            )
        return batch

    def _targets(self, y):
        """Return class probabilities (N, C) of class indices (N,); probabilities pass unchanged."""
        name = type(self).__name__
        if y.ndim == 2 and y.dtype.kind == "f":
            return y
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise TypeError(
                f"{name}: expected class indices y of shape (N,), or probabilities (N, C), got "
                f"{y.dtype} of shape {y.shape}"
            )
        if self.num_classes is None:
            raise ValueError(
                f"{name}: class indices need the number of classes; write {name}(num_classes=...)"
            )
        if y.size and (y.min() < 0 or y.max() >= self.num_classes):
            raise ValueError(
                f"{name}: expected labels from 0 to {self.num_classes - 1}, got labels from "
                f"{y.min()} to {y.max()}"
            )
        return (y[:, None] == np.arange(self.num_classes)).astype("float32")


class MixUp(_Mix):
    """Blend each image and its label with those of its neighbour in the batch.

    Formula, with one λ ~ Beta(α, α) for the batch, and n' the sample before n::

        x_n ← λ x_n + (1 - λ) x_n'        y_n ← λ y_n + (1 - λ) y_n'

    Parameters
    ----------
    alpha : float
        α; 1 draws λ uniformly from 0 ... 1, small values change most batches little.
    num_classes : int, optional
        C; class indices become probabilities (N, C). Not needed if targets are probabilities.

    Raises
    ------
    ValueError, TypeError
        An alpha that is not positive; labels without ``num_classes``, or outside it.

    Notes
    -----
    The batches are shuffled, so a neighbour is a random sample. The accuracy of a training epoch
    compares the most likely class only.

    References
    ----------
    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import MixUp
    >>> x, y = np.zeros((2, 4, 4, 1), "float32"), np.array([0, 1])
    >>> x, y = MixUp(num_classes=2)((x, y), np.random.default_rng(0))
    >>> y.shape, y.sum(axis=1)
    ((2, 2), array([1., 1.], dtype=float32))
    """

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the blended batch ``(x, y)``; x must be floating-point, of any shape."""
        x, y = self._pair(batch)
        if x.dtype.kind != "f":
            raise TypeError(f"MixUp: expected floating-point x, got {x.dtype}; put a Scale before")
        y = self._targets(y)  # (N, C)
        share = np.float32(rng.beta(self.alpha, self.alpha))
        return tuple(share * one + (1 - share) * np.roll(one, 1, axis=0) for one in (x, y))


class CutMix(_Mix):
    """Paste a rectangle of its neighbour into each image, and mix the labels by area.

    Formula, with one λ ~ Beta(α, α) for the batch and a rectangle of (1 - λ) of the area around a
    random centre, cut off at the border; λ' is the remaining share of the image::

        y_n ← λ' y_n + (1 - λ') y_n'

    Parameters
    ----------
    alpha : float
        α; see `MixUp`.
    num_classes : int, optional
        C; class indices become probabilities (N, C). Not needed if targets are probabilities.

    Raises
    ------
    ValueError, TypeError
        See `MixUp`; x has not the shape of images.

    References
    ----------
    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
    features", ICCV 2019, equations 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.augment import CutMix
    >>> x = np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
    >>> x, y = CutMix(num_classes=2)((x, np.array([0, 1])), np.random.default_rng(0))
    >>> float(x[0].mean()) == float(y[0, 1])
    True
    """

    def __call__(self, batch: tuple[Array, ...], rng: Any) -> tuple[Array, ...]:
        """Return the batch ``(x, y)`` with rectangles pasted in."""
        x, y = self._pair(batch)
        check_images("CutMix", x)
        y = self._targets(y)  # (N, C)
        _, height, width, _ = x.shape
        side = 0.5 * np.sqrt(1 - rng.beta(self.alpha, self.alpha))  # half a side, as a share
        row, column = rng.integers(height), rng.integers(width)
        top, bottom = _ends(row, side * height, height)
        left, right = _ends(column, side * width, width)
        x = x.copy()
        x[:, top:bottom, left:right] = np.roll(x, 1, axis=0)[:, top:bottom, left:right]
        share = np.float32(1 - (bottom - top) * (right - left) / (height * width))
        return x, share * y + (1 - share) * np.roll(y, 1, axis=0)


def _ends(middle, half, size):
    return max(0, int(middle - half)), min(size, int(middle + half))
