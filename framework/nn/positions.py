"""Position encodings: the order of a sequence, which attention itself ignores.

Learned positions are an `Embedding` of 0, 1, 2, ... that is added to x.
"""

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_even, check_positions
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


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
        check_even(self, embed_dim=embed_dim)
        self.embed_dim = embed_dim

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., T, C)
        self.save()
        cos, sin = waves(x, self.embed_dim)  # (T, C/2) each
        positions = np.stack([sin, cos], axis=-1).reshape(x.shape[-2:])  # (T, C)
        return x + positions

    @accelerated
    def backward(self, dy: Array) -> Array:
        self.saved()
        return dy

    def check_input(self, x: Array) -> None:
        check_positions(self, x, self.embed_dim)

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
        check_even(self, head_dim=head_dim)
        self.head_dim = head_dim
        self.base: float = float(base)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., T, D)
        self.save()
        return self.turn(x)

    @accelerated
    def backward(self, dy: Array) -> Array:
        self.saved()
        return self.turn(dy, back=True)

    @accelerated
    def turn(self, x: Array, start: int = 0, *, back: bool = False) -> Array:
        """Rotate x (..., T, D), or rotate it back; its first position is ``start``."""
        cos, sin = waves(x, self.head_dim, start, self.base)  # (T, D/2) each
        if back:
            sin = -sin  # by the negative angle
        half = self.head_dim // 2
        low, high = x[..., :half], x[..., half:]  # (..., T, D/2) each
        return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)

    def check_input(self, x: Array) -> None:
        check_positions(self, x, self.head_dim)

    def flops(self, x: Array, y: Array) -> int:
        return 3 * y.size

    def extra_repr(self) -> str:
        return f"{self.head_dim}, base={self.base}"


def waves(x: Array, width: int, start: int = 0, base: float = 10000.0) -> tuple[Array, Array]:
    """Return cos(t ω_i) and sin(t ω_i), (T, width/2) each, for the positions t of x (..., T, .)."""
    # In float64, as angles of thousands need the precision.
    t = np.arange(start, start + x.shape[-2], dtype="float64", like=x)[:, None]  # (T, 1)
    angles = t * base ** (-2 * np.arange(width // 2, like=x) / width)  # (T, width/2)
    return np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
