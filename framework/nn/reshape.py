"""Flatten, Reshape and Identity: layers that change the shape at most.

If the next layer has ``needs_dx=False``, its backward returns None, and so do theirs.
"""

import math
from typing import Any

from firstlight.module import Module
from firstlight.nn._checks import check_axis
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Flatten(Module):
    """Merge the axes from ``start_dim`` to the last into one, e.g. pixels into features.

    Formula and gradient; numbers and their order do not change::

        y  = x reshaped         x (N, H, W, C) -> y (N, H·W·C)
        dx = dy reshaped back

    Parameters
    ----------
    start_dim : int
        The first axis to merge; 1 keeps the samples separate.

    Raises
    ------
    ValueError
        x has no axis ``start_dim``.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Flatten()(np.zeros((32, 8, 8, 1), "float32")).shape
    (32, 64)
    """

    def __init__(self, start_dim: int = 1):
        self.start_dim = start_dim

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, ...)
        self.save(x.shape)
        start = self.start_dim % x.ndim
        return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))  # (N, features)

    @accelerated
    def backward(self, dy: Array | None) -> Array | Any:  # dy (N, features)
        (shape,) = self.saved()
        return None if dy is None else dy.reshape(shape)  # (N, ...)

    def check_input(self, x: Array) -> None:
        check_axis(self, x, "start_dim")

    def flops(self, x: Array, y: Array) -> int:
        return 0

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}"


class Reshape(Module):
    """Reshape every sample; the first axis, the batch, is kept.

    Formula and gradient; numbers and their order do not change::

        y  = x reshaped         x (N, ...) -> y (N, *shape)
        dx = dy reshaped back

    Parameters
    ----------
    *shape : int
        Shape of one sample. One number may be -1: it is inferred.

    Raises
    ------
    ValueError
        A sample of x has another number of elements than ``shape``.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.Reshape(8, 8, 1)(np.zeros((32, 64), "float32")).shape
    (32, 8, 8, 1)
    """

    def __init__(self, *shape: int):
        if any(size < -1 for size in shape) or shape.count(-1) > 1:
            raise ValueError(
                f"Reshape: expected sizes of 0 or more and at most one -1, got {shape}; "
                "pass the shape of one sample: Reshape(28, 28, 1)"
            )
        self.shape = shape

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, ...)
        self.save(x.shape)
        return x.reshape(*x.shape[:1], *self._sample_shape(x))  # (N, *shape)

    @accelerated
    def backward(self, dy: Array | None) -> Array | Any:  # dy (N, *shape)
        (shape,) = self.saved()
        return None if dy is None else dy.reshape(shape)  # (N, ...)

    def check_input(self, x: Array) -> None:
        size = math.prod(x.shape[1:])
        if x.ndim < 1 or math.prod(self._sample_shape(x)) != size:
            raise ValueError(
                f"Reshape: expected samples that fit {self.shape}, got x of shape {x.shape}, "
                f"with {size} elements a sample; choose sizes whose product is {size}"
            )

    def _sample_shape(self, x):
        """Replace -1, in a way that works for an empty batch too."""
        known = math.prod(n for n in self.shape if n != -1)
        inferred = math.prod(x.shape[1:]) // known if known else 0
        return tuple(inferred if n == -1 else n for n in self.shape)

    def flops(self, x: Array, y: Array) -> int:
        return 0

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.shape))


class Identity(Module):
    """Return x unchanged; a placeholder for an optional layer.

    Formula and gradient::

        y  = x
        dx = dy

    Examples
    --------
    >>> from firstlight import nn
    >>> dropout = 0.0
    >>> nn.Dropout(dropout) if dropout else nn.Identity()
    Identity()
    """

    @accelerated
    def forward(self, x: Array) -> Array:
        self.save()
        return x

    @accelerated
    def backward(self, dy: Array | None) -> Array | Any:
        self.saved()
        return dy

    def flops(self, x: Array, y: Array) -> int:
        return 0
