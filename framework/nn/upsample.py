"""Upsample: resize images by nearest-neighbour or bilinear interpolation."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_images, check_pixels
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Upsample(Module):
    """Resize images by nearest-neighbour or bilinear interpolation.

    Formula: rows and columns are resized one after the other, each by a matrix with one row for
    each new pixel, for all samples n and channels c::

        y_nc = A_h x_nc A_wᵀ        A_h (H', H), A_w (W', W)

    Few entries a_ij of A_h and A_w are not 0: those at p, or next to it. The product is taken over
    these alone, so that inf and NaN stay in their place.

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

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        n, h, w, c = x.shape
        rows, columns = self.entries(0, h), self.entries(1, w)  # (i, j, a_ij) of A_h and A_w
        z = np.zeros_like(x, shape=(n, self.new_size(0, h), w, c))  # (N, H', W, C)
        for i, j, a in rows:
            z[:, i] += a * x[:, j]
        y = np.zeros_like(x, shape=(*z.shape[:2], self.new_size(1, w), c))  # (N, H', W', C)
        for i, j, a in columns:
            y[:, :, i] += a * z[:, :, j]
        self.save(rows, columns, x.shape, z.shape)
        return y

    @accelerated
    def backward(self, dy: Array | None) -> Array | Any:  # dy (N, H', W', C)
        rows, columns, x_shape, z_shape = self.saved()
        if dy is None:
            return None
        dz = np.zeros_like(dy, shape=z_shape)  # (N, H', W, C)
        for i, j, a in columns:
            dz[:, :, j] += a * dy[:, :, i]
        dx = np.zeros_like(dy, shape=x_shape)  # (N, H, W, C)
        for i, j, a in rows:
            dx[:, j] += a * dz[:, i]
        return dx

    def check_input(self, x: Array) -> None:
        check_images("Upsample", x)
        check_pixels("Upsample", x)
        if min(self.new_size(axis, x.shape[1 + axis]) for axis in (0, 1)) < 1:
            raise ValueError(
                f"Upsample: expected a scale_factor that leaves a pixel, got {self.scale_factor} "
                f"for x of shape {x.shape}"
            )

    def new_size(self, axis: int, old: int) -> int:
        """Return H' (axis 0) or W' (axis 1) for images of ``old`` pixels along that axis."""
        if self.size is not None:
            return int(self.size[axis])
        return int(old * self.scale_factor[axis])

    def entries(self, axis: int, old: int) -> list[tuple[int, int, float]]:
        """Return the entries (i, j, a_ij) of A_h (axis 0) or A_w (axis 1) that are not 0."""
        found = []
        for i, p in enumerate(self._points(axis, old)):
            j, f = int(p), p % 1  # ⌊p⌋ and its distance from p
            found.append((i, j, 1 - f))
            if f > 0:
                found.append((i, j + 1, f))
        return found

    def _points(self, axis, old):
        """Return p for each new pixel i."""
        new = self.new_size(axis, old)
        scale = old / new if self.scale_factor is None else 1 / self.scale_factor[axis]
        i = np.arange(new, dtype="float32" if self.mode == "nearest" else "float64")
        if old == new:
            p = i
        elif self.mode == "nearest":  # float32 and ½ for twice the size, as PyTorch rounds
            p = np.floor(i * (0.5 if new == 2 * old else scale))
        elif self.align_corners:
            p = i * ((old - 1) / max(new - 1, 1))
        else:
            p = (i + 0.5) * scale - 0.5
        return np.clip(p, 0, old - 1).tolist()

    def flops(self, x: Array, y: Array) -> int:
        return 0 if self.mode == "nearest" else 3 * (y[:, :, :1].size * x.shape[2] + y.size)

    def extra_repr(self) -> str:
        what = f"size={self.size}" if self.size else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}, align_corners={self.align_corners}"


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
