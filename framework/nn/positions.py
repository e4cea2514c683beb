"""Position encodings: the order of a sequence, which attention itself ignores.

Learned positions are an `Embedding` of 0, 1, 2, ... that is added to x.
"""

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array


class SinusoidalPositions(Module):
    """Add sines and cosines of many wavelengths to x.

    Formula, for position t and pair i of the C numbers::

        y = x + P        P_t,2i = sin(t ω_i)    P_t,2i+1 = cos(t ω_i)    ω_i = 10000^(-2i/C)

    Gradient: P is constant, so dx = dy.

    Parameters
    ----------
    embed_dim : int
        C, even.

    Raises
    ------
    ValueError
        embed_dim is odd; x has another last axis.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.SinusoidalPositions(4)(np.zeros((1, 2, 4))).round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]])
    """

    def __init__(self, embed_dim: int):
        _check_even("SinusoidalPositions", "embed_dim", embed_dim)
        self.embed_dim = embed_dim

    def forward(self, x: Array) -> Array:  # x (..., T, C)
        if x.ndim < 2 or x.shape[-1] != self.embed_dim:
            raise ValueError(
                f"SinusoidalPositions: expected x of shape (..., positions, {self.embed_dim}), "
                f"got shape {x.shape}"
            )
        self.save(x.shape)
        cos, sin = _waves(x.shape[-2], self.embed_dim, 0, x)  # (T, C/2) each
        return x + np.stack([sin, cos], axis=-1).reshape(x.shape[-2:])

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved()
        self.check_dy(dy, shape)
        return dy

    def extra_repr(self) -> str:
        return f"{self.embed_dim}"


class RotaryPositions(Module):
    """Rotate each pair of numbers of a query or key by an angle proportional to its position.

    The product of a query at t and a key at s then depends on the relative position t - s only.

    Formula, for position t and pair i of the D numbers (x_i with x_{i+D/2}, as in LLaMA)::

        y_i       = x_i cos(t ω_i) - x_{i+D/2} sin(t ω_i)        ω_i = base^(-2i/D)
        y_{i+D/2} = x_{i+D/2} cos(t ω_i) + x_i sin(t ω_i)

    Gradient: y = R x with a rotation R, so dx = Rᵀ dy rotates by the negative angle.

    Parameters
    ----------
    head_dim : int
        D, even.
    base : float
        The longest wavelength is about 2π · base positions.

    Raises
    ------
    ValueError
        head_dim is odd; x has another last axis.

    References
    ----------
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, eq. 34.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.RotaryPositions(2)(np.array([[1.0, 0.0], [1.0, 0.0]])).round(2)
    array([[1.  , 0.  ],
           [0.54, 0.84]])
    """

    def __init__(self, head_dim: int, base: float = 10000.0):
        _check_even("RotaryPositions", "head_dim", head_dim)
        self.head_dim = head_dim
        self.base: float = float(base)

    def forward(self, x: Array) -> Array:  # x (..., T, D)
        if x.ndim < 2 or x.shape[-1] != self.head_dim:
            raise ValueError(
                f"RotaryPositions: expected x of shape (..., positions, {self.head_dim}), "
                f"got shape {x.shape}"
            )
        self.save(x.shape)
        return self.turn(x)

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved()
        self.check_dy(dy, shape)
        return self.turn(dy, back=True)

    def turn(self, x: Array, start: int = 0, *, back: bool = False) -> Array:
        """Rotate x (..., T, D), or rotate it back; its first position is ``start``."""
        cos, sin = _waves(x.shape[-2], self.head_dim, start, x, self.base)  # (T, D/2) each
        if back:
            sin = -sin
        half = self.head_dim // 2
        low, high = x[..., :half], x[..., half:]
        y = np.empty_like(x)
        np.subtract(low * cos, high * sin, out=y[..., :half])
        np.add(high * cos, low * sin, out=y[..., half:])
        return y

    def flops(self, x: Array, y: Array) -> int:
        return 3 * y.size

    def extra_repr(self) -> str:
        return f"{self.head_dim}, base={self.base}"


def _waves(count, width, start, like, base=10000.0):
    """Return cos(t ω_i) and sin(t ω_i), (count, width/2) each, for t from ``start`` on."""
    # In float64, as angles of thousands need the precision.
    t = np.arange(start, start + count, dtype="float64", like=like)[:, None]  # (count, 1)
    angles = t * base ** (-2 * np.arange(width // 2, like=like) / width)
    return (f(angles).astype(like.dtype) for f in (np.cos, np.sin))


def _check_even(who, name, size):
    """Raise a ValueError unless a size is even."""
    if size < 2 or size % 2:
        raise ValueError(f"{who}: expected an even {name}, for pairs of numbers, got {size}")
