"""Average pooling to an output of a given size, down to one number per channel."""

import numpy as np

from firstlight.module import Module
from firstlight.nn._checks import check_images, check_pixels, pair
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class AdaptiveAvgPool2d(Module):
    """Average cells of x so that y has a given size.

    Formula, along each axis; cell m of y is the mean of pixels start ... stop, and cells overlap
    if the sizes do not divide::

        start = ⌊m H / oh⌋        stop = ⌈(m + 1) H / oh⌉

    Gradient: dy of a cell is divided equally among its pixels.

    Parameters
    ----------
    output_size : int or (int, int)
        oh and ow.

    Raises
    ------
    ValueError
        An output_size below 1; x is not (N, H, W, C), or has no pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.AdaptiveAvgPool2d(2)(np.ones((5, 7, 7, 3), "float32")).shape
    (5, 2, 2, 3)
    """

    def __init__(self, output_size: int | tuple[int, int]):
        self.output_size: tuple[int, int] = pair("AdaptiveAvgPool2d", "output_size", output_size, 1)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        self.save(x.shape)
        y = np.empty_like(x, shape=(len(x), *self.output_size, x.shape[3]))  # (N, oh, ow, C)
        for m, n, pixels, _ in self._cells(x.shape):
            y[:, m, n] = x[pixels].mean(axis=(1, 2))  # (N, C)
        return y

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, oh, ow, C)
        (shape,) = self.saved()
        dx = np.zeros_like(dy, shape=shape)  # (N, H, W, C)
        for m, n, pixels, count in self._cells(shape):
            dx[pixels] += dy[:, m, n][:, None, None] / count  # (N, 1, 1, C)
        return dx

    def check_input(self, x: Array) -> None:
        check_images("AdaptiveAvgPool2d", x)
        check_pixels("AdaptiveAvgPool2d", x)

    def _cells(self, shape):
        """Yield ``(m, n, index, count)``, the pixels in each cell of y and their number."""
        rows, columns = (
            [slice(m * size // out, -(-(m + 1) * size // out)) for m in range(out)]
            for size, out in zip(shape[1:3], self.output_size, strict=True)
        )
        for m, ys in enumerate(rows):
            for n, xs in enumerate(columns):
                count = (ys.stop - ys.start) * (xs.stop - xs.start)
                yield m, n, (slice(None), ys, xs), count

    def extra_repr(self) -> str:
        return f"{self.output_size}"


class GlobalAvgPool2d(Module):
    """Return the mean over all pixels, one number per channel.

    Formula and gradient::

        y[n, c]        = 1/(H W) Σ_hw x[n, h, w, c]
        dx[n, h, w, c] = dy[n, c] / (H W)

    Raises
    ------
    ValueError
        x is not (N, H, W, C), or has no pixels.

    References
    ----------
    Lin et al., "Network In Network", 2013, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.GlobalAvgPool2d()(np.ones((5, 7, 7, 3), "float32")).shape
    (5, 3)
    """

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        self.save(x.shape)
        return x.mean(axis=(1, 2))  # (N, C)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, C)
        ((n, h, w, c),) = self.saved()
        dx = np.empty_like(dy, shape=(n, h, w, c))
        dx[...] = (dy / (h * w))[:, None, None]  # (N, 1, 1, C)
        return dx

    def check_input(self, x: Array) -> None:
        check_images("GlobalAvgPool2d", x)
        check_pixels("GlobalAvgPool2d", x)
