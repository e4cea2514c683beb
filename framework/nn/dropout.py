"""Dropout and Dropout2d: random zeros that prevent co-adaptation of units."""

from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn._checks import check_probability
from firstlight.support import draws
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


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
        check_probability(self, p)
        self.p: float = float(p)
        self.rng = rng

    @accelerated
    def forward(self, x: Array) -> Array:
        m = self.draw(x) if self.training and self.p > 0 else None  # like x, True where kept
        self.save(m)
        return x if m is None else x * m * self.scale

    @accelerated
    def backward(self, dy: Array) -> Array:
        (m,) = self.saved()
        return dy if m is None else dy * m * self.scale

    @accelerated
    def draw(self, x: Array) -> Array:
        """Return a random mask m of x's shape: True with probability 1 - p."""
        return draws.keep_mask(x, self.p, x.shape, self.rng)

    @property
    def scale(self) -> float:
        """1 / (1 - p); 0 if p is 1, as nothing is left."""
        return 1 / (1 - self.p) if self.p < 1 else 0.0

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
        check_probability(self, p)
        self.p: float = float(p)
        self.rng = rng

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        m = None
        if self.training and self.p > 0:
            scale = 1 / (1 - self.p) if self.p < 1 else 0.0
            m = self.draw(x).astype(x.dtype) * scale  # (N, 1, 1, C)
        self.save(m)
        return x if m is None else x * m

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, H, W, C)
        (m,) = self.saved()
        return dy if m is None else dy * m

    @accelerated
    def draw(self, x: Array) -> Array:
        """Return a random mask m (N, 1, 1, C): True with probability 1 - p."""
        return draws.keep_mask(x, self.p, (len(x), 1, 1, x.shape[-1]), self.rng)

    def check_input(self, x: Array) -> None:
        if x.ndim != 4:
            shape = f"expected x of shape (N, H, W, C), got {x.shape}"
            raise ValueError(f"Dropout2d: {shape}; for other shapes use Dropout")

    def extra_repr(self) -> str:
        return f"p={self.p}"
