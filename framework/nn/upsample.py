"""Upsample: resize images by nearest-neighbour or bilinear interpolation."""

from functools import lru_cache
from typing import Any

import numpy as np

from firstlight import fast
from firstlight.module import Module
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array


class Upsample(Module):
    """Resize images by nearest-neighbour or bilinear interpolation.

    Formula: rows and columns are resized one after the other, each by a matrix with one row for
    each new pixel, for all samples n and channels c::

        y_nc = A_h x_nc A_wᵀ        A_h (H', H), A_w (W', W)

    The new pixel i samples the point p of the old image, with scale = old size / new size, or
    1 / scale_factor, and 1 for an axis that keeps its size::

        "nearest"                           p = ⌊i · scale⌋           1 at p
        "bilinear"                          p = (i + ½) scale - ½     1 - f at ⌊p⌋, f at ⌊p⌋ + 1,
        "bilinear", align_corners=True      p = i (old - 1)/(new - 1)     where f = p - ⌊p⌋

    Points outside the image are clamped to its edge.

    Gradient: the map is linear, so dx is its transpose applied to dy::

        dx_nc = A_hᵀ dy_nc A_w

    If the next layer has ``needs_dx=False``, its backward returns None, and so does this one.

    Parameters
    ----------
    size : int or (int, int), optional
        H' and W'.
    scale_factor : float or (float, float), optional
        H' / H and W' / W, instead of ``size``; the new size is rounded down.
    mode : {"nearest", "bilinear"}
        Interpolation.
    align_corners : bool, optional
        For "bilinear": if True, align the centres of the corner pixels instead of the outer
        edges of the image.

    Raises
    ------
    ValueError
        Both or neither of size and scale_factor; values that are not positive; another mode;
        align_corners with "nearest"; x is not (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> image = np.array([[0.0, 4.0]]).reshape(1, 1, 2, 1)
    >>> nn.Upsample(scale_factor=2)(image)[0, :, :, 0]
    array([[0., 0., 4., 4.],
           [0., 0., 4., 4.]])
    >>> nn.Upsample((1, 4), mode="bilinear")(image).ravel()
    array([0., 1., 3., 4.])
    """

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ):
        if (size is None) == (scale_factor is None):
            raise ValueError(
                "Upsample: expected one of size and scale_factor, "
                f"got size={size} and scale_factor={scale_factor}"
            )
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'Upsample: expected mode "nearest" or "bilinear", got {mode!r}')
        if align_corners is not None and mode == "nearest":
            raise ValueError('Upsample: align_corners is for mode="bilinear"; leave it out')
        self.size: Any = _pair("size", size)
        self.scale_factor: Any = _pair("scale_factor", scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self._known = {}  # taps

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        if x.ndim != 4 or 0 in x.shape[1:3]:
            raise ValueError(
                f"Upsample: expected x of shape (N, H, W, C) with pixels, got {x.shape}"
            )
        rows, columns = (self._taps(axis, x) for axis in (0, 1))  # of A and of Aᵀ
        y = fast.resize(x, rows[0], columns[0])  # (N, H', W', C)
        self.save(y.shape, rows[1], columns[1])
        return y

    def backward(self, dy: Array | None) -> Array | Any:  # dy (N, H', W', C)
        shape, rows, columns = self.saved()
        if dy is None:
            return None
        self.check_dy(dy, shape)
        return fast.resize(dy, rows, columns)  # (N, H, W, C)

    def _taps(self, axis, x):
        """Return the matrices A and Aᵀ of an axis as `fast.resize` takes them."""
        old = x.shape[1 + axis]
        if self.size is not None:
            new, scale = int(self.size[axis]), old / self.size[axis]
        else:
            new, scale = int(old * self.scale_factor[axis]), 1 / self.scale_factor[axis]
        if new < 1:
            raise ValueError(
                f"Upsample: expected a scale_factor that leaves a pixel, got {self.scale_factor} "
                f"for x of shape {x.shape}"
            )
        key = old, new, scale, x.dtype.name, type(x)
        if (
            key not in self._known
        ):  # copied to a GPU once, as no graph can capture a copy from the host
            weights = _axis_weights(*key[:4], self.mode, self.align_corners)
            self._known[key] = [_like(x, a, *fast.resize_taps(a)) for a in (weights, weights.T)]
        return self._known[key]

    def flops(self, x: Array, y: Array) -> int:
        return 0 if self.mode == "nearest" else 3 * (y[:, :, :1].size * x.shape[2] + y.size)

    def extra_repr(self) -> str:
        what = f"size={self.size}" if self.size else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}, align_corners={self.align_corners}"


@lru_cache(maxsize=64)
def _axis_weights(old, new, scale, dtype, mode, align_corners):
    """Return A (new, old) of an axis, on the host."""
    i = np.arange(new, dtype="float32" if mode == "nearest" else "float64")
    if old == new:
        point = i
    elif mode == "nearest":  # in float32, with a special case for twice the size, as PyTorch rounds
        point = np.floor(i * (0.5 if new == 2 * old else scale))
    elif align_corners:
        point = i * ((old - 1) / max(new - 1, 1))
    else:
        point = (i + 0.5) * scale - 0.5
    point = np.clip(point, 0, old - 1)[:, None]  # (new, 1)
    # A hat around p, 1 - |j - p|, is 1 - f at ⌊p⌋, f at ⌊p⌋ + 1, and below 0 elsewhere.
    weights = np.maximum(0, 1 - np.abs(np.arange(old) - point))  # (new, old)
    return weights.astype(dtype)


def _like(x, weights, taps, seen):
    """Return a matrix and its sparse form as arrays of the same library as x."""

    def there(array):
        return None if array is None else np.asarray(array, like=x)

    return there(weights), [[there(array) for array in tap] for tap in taps], there(seen)


def _pair(name, value):
    if value is None:
        return None
    value = plain_number(value)
    pair = (value, value) if isinstance(value, (int, float)) else tuple(value)
    if len(pair) != 2 or not all(each > 0 for each in pair):
        raise ValueError(
            f"Upsample: expected a {name} above 0, for rows and columns alike or for each, "
            f"got {value}"
        )
    return pair
