"""PatchEmbedding: an image as a sequence of patches, for Vision Transformers."""

from typing import Any

from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn._checks import check_positive
from firstlight.nn.linear import Linear
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class PatchEmbedding(Module):
    """Cut images into square patches and map each by the same matrix.

    Formula, for patch p of P × P pixels as one row x_p, patches in row-major order::

        y_p = x_p Wᵀ + b            x (N, H, W, C), x_p (P · P · C,), y (N, HW/P², D)

    Gradient: that of `Linear`, rearranged to images; each pixel is in one patch.

    Parameters
    ----------
    in_channels, embed_dim, patch_size : int
        C, D and P.
    needs_dx : bool
        False for a model's first layer: backward skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values.

    Raises
    ------
    ValueError
        x is not a batch of images, or P does not divide their height and width.

    References
    ----------
    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.PatchEmbedding(3, 16, patch_size=4)(np.ones((2, 8, 12, 3), "float32")).shape
    (2, 6, 16)
    """

    def __init__(
        self,
        in_channels: int,
        embed_dim: int,
        patch_size: int,
        *,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_positive(self, patch_size=patch_size)
        self.in_channels = in_channels
        self.patch_size = patch_size
        self.needs_dx = needs_dx
        pixels = patch_size * patch_size * in_channels
        self.proj: Linear = Linear(pixels, embed_dim, needs_dx=needs_dx, rng=rng)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        (n, h, w, c), p = x.shape, self.patch_size
        self.save(x.shape)
        grid = x.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3)  # (N, H/P, W/P, P, P, C)
        return self.proj(grid.reshape(n, h // p * (w // p), p * p * c))  # (N, HW/P², D)

    @accelerated
    def backward(self, dy: Array) -> Array | Any:  # dy (N, HW/P², D)
        ((n, h, w, c),) = self.saved()
        p, dx = self.patch_size, self.proj.backward(dy)  # (N, HW/P², P · P · C)
        if dx is None:
            return None
        grid = dx.reshape(n, h // p, w // p, p, p, c).swapaxes(2, 3)  # (N, H/P, P, W/P, P, C)
        return grid.reshape(n, h, w, c)

    def check_input(self, x: Array) -> None:
        p, c = self.patch_size, self.in_channels
        if x.ndim != 4 or x.shape[1] % p or x.shape[2] % p or x.shape[3] != c:
            raise ValueError(
                f"PatchEmbedding: expected images (N, H, W, {c}) with H and W "
                f"multiples of {p} (patch_size), got shape {x.shape}"
            )

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the projection

    def extra_repr(self) -> str:
        return f"{self.in_channels}, patch_size={self.patch_size}"
