"""Dropout and Dropout2d: random zeros that prevent co-adaptation of units."""

from numpy.random import Generator

from firstlight import fast
from firstlight.module import Module
from firstlight.support.array import Array


class Dropout(Module):
    """Set each element to zero with probability p while training; do nothing after ``eval()``.

    Formula, with a fresh random mask m at each call::

        y = x · m / (1 - p)        m = 1 with probability 1 - p, else 0

    Dividing by 1 - p keeps the mean, E[y] = x, so that evaluation needs no correction.

    Gradient, with the same mask::

        dx = dy · m / (1 - p)

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1; rounded to 16 bits.
    rng : numpy.random.Generator, optional
        Generator of the masks; the ``dropout`` stream by default.

    Raises
    ------
    ValueError
        p is not a probability.

    References
    ----------
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
    2014, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.Dropout(0.5, rng=np.random.default_rng(1))
    >>> layer(np.ones(6))
    array([2., 0., 2., 2., 2., 2.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | None = None):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected a probability p from 0 to 1, got {p}")
        self.p: float = float(p)
        self.rng = rng

    def forward(self, x: Array) -> Array:
        mask = self._draw(x) if self.training and self.p > 0 else None
        self.save(x.shape, mask)
        return self._apply(mask, x)

    def backward(self, dy: Array) -> Array:
        shape, mask = self.saved()
        self.check_dy(dy, shape)
        return self._apply(mask, dy)

    def _draw(self, x):
        return fast.dropout_mask(x, self.p, x.shape, self.rng)

    def _apply(self, mask, x):
        if mask is None:
            return x
        return fast.blockwise(self._keep, x, mask)

    def _keep(self, y, x, mask):
        y[...] = mask
        y *= 1 / (1 - self.p) if self.p < 1 else 0.0
        y *= x

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout2d(Module):
    """Set whole channels of each image to zero with probability p while training.

    Neighbouring pixels of a feature map are correlated, so that `Dropout` removes little
    information; a whole channel is removed completely.

    Formula, with a fresh random m for each sample n and channel c at each call::

        y_nhwc = x_nhwc m_nc        m = 1 / (1 - p) with probability 1 - p, else 0

    Gradient, with the same factors::

        dx_nhwc = dy_nhwc m_nc

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1.
    rng : numpy.random.Generator, optional
        Generator of the masks; the ``dropout`` stream by default.

    Raises
    ------
    ValueError
        p is not a probability; x is not (N, H, W, C).

    References
    ----------
    Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015, section
    3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.Dropout2d(0.5, rng=np.random.default_rng(1))
    >>> layer(np.ones((1, 2, 1, 4)))[0, :, 0]
    array([[2., 0., 2., 2.],
           [2., 0., 2., 2.]])
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | None = None):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout2d: expected a probability p from 0 to 1, got {p}")
        self.p: float = float(p)
        self.rng = rng

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        if x.ndim != 4:
            raise ValueError(
                f"Dropout2d: expected x of shape (N, H, W, C), got {x.shape}; "
                "for other shapes use Dropout"
            )
        factors = self._draw(x) if self.training and self.p > 0 else None  # (N, 1, 1, C)
        self.save(x.shape, factors)
        return x if factors is None else x * factors

    def backward(self, dy: Array) -> Array:  # dy (N, H, W, C)
        shape, factors = self.saved()
        self.check_dy(dy, shape)
        return dy if factors is None else dy * factors

    def _draw(self, x):
        kept = fast.dropout_mask(x, self.p, (len(x), 1, 1, x.shape[-1]), self.rng)
        factors = kept.astype(x.dtype)
        factors *= 1 / (1 - self.p) if self.p < 1 else 0.0
        return factors

    def extra_repr(self) -> str:
        return f"p={self.p}"
