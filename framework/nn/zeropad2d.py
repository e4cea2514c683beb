"""ZeroPad2d: zero padding of images."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_images
from firstlight.support.arguments import plain_number
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class ZeroPad2d(Module):
    """Pad each image with rows and columns of zeros.

    Formula::

        y[:, top:top+H, left:left+W] = x, zero elsewhere

    Gradient: the padding is constant, so dx is cropped from dy::

        dx = dy[:, top:top+H, left:left+W]

    If the next layer has ``needs_dx=False``, its backward returns None, and so does this one.

    Parameters
    ----------
    padding : int or (int, int, int, int)
        Pixels on all sides, or ``(left, right, top, bottom)``, in PyTorch's order.

    Raises
    ------
    ValueError
        A padding that is negative or of another length; x is not (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.ZeroPad2d((1, 0, 2, 0))(np.ones((1, 1, 2, 1)))[0, :, :, 0]
    array([[0., 0., 0.],
           [0., 0., 0.],
           [0., 1., 1.]])
    """

    def __init__(self, padding: int | tuple[int, int, int, int]):
        padding = plain_number(padding)
        sides = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(sides) != 4 or min(sides) < 0:
            raise ValueError(
                "ZeroPad2d: expected a padding of 0 or more, or (left, right, top, bottom), "
                f"got {padding}; to cut pixels off, index: x[:, top:bottom, left:right]"
            )
        self.padding = sides

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        left, right, top, bottom = self.padding
        self.save(x.shape)
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))  # (N, H', W', C)

    @accelerated
    def backward(self, dy: Array | None) -> Array | Any:  # dy (N, H', W', C)
        ((_, h, w, _),) = self.saved()
        left, _, top, _ = self.padding
        return None if dy is None else dy[:, top : top + h, left : left + w]  # (N, H, W, C)

    def check_input(self, x: Array) -> None:
        check_images("ZeroPad2d", x)

    def flops(self, x: Array, y: Array) -> int:
        return 0

    def extra_repr(self) -> str:
        return f"{self.padding}"
