"""Window: the positions of the kernel of a convolution or pooling on an image."""

import math
from collections.abc import Iterator
from typing import NamedTuple


class Axis(NamedTuple):
    """The windows along one axis: window m sees the pixels m · stride + tap · dilation - before.

    Attributes
    ----------
    before : int
        Zeros before the image; if negative, pixels that are cropped.
    taps, stride, dilation : int
        Pixels of a window; steps from window to window, and from pixel to pixel in a window.
    out : int
        Number of windows.
    """

    before: int
    taps: int
    stride: int
    dilation: int
    out: int

    @property
    def span(self) -> int:
        """Number of pixels from the first to the last that any window sees."""
        return (self.out - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    def seen_at(self, tap: int) -> slice:
        """Return the pixels under one tap in all windows, counted from the first zero."""
        start = tap * self.dilation
        return slice(start, start + (self.out - 1) * self.stride + 1, self.stride)

    def part(self, windows: slice) -> "Axis":
        """Return the Axis of a slice of the windows."""
        before = self.before - windows.start * self.stride
        return self._replace(before=before, out=windows.stop - windows.start)

    def inside(self, tap: int, size: int) -> tuple[slice, slice]:
        """Return the windows whose tap is on one of ``size`` pixels, and these pixels."""
        offset = tap * self.dilation - self.before
        first = max(0, -(offset // self.stride))
        stop = max(first, min(self.out, (size - 1 - offset) // self.stride + 1))
        pixels = slice(offset + first * self.stride, offset + stop * self.stride, self.stride)
        return slice(first, stop), pixels

    def back(self, size: int) -> Iterator[tuple[slice, list[int], "Axis"]]:
        """Yield ``(pixels, taps, Axis on dy)``: the windows on dy whose sums are dx, ``size`` long.

        Pixel i of x is under tap k of window o where i + before = stride · o + dilation · k, so
        dx_i = Σ dy_o w_k over those pairs. For stride 1 that is a convolution of dy with the
        reversed taps. For stride s, pixels with the same index modulo s are under the same taps:
        there are s such convolutions, each with some of the taps and stride 1.
        """
        for first in range(min(self.stride, size)):
            pixels = slice(first, size, self.stride)  # of x
            rest = first + self.before
            taps = [k for k in range(self.taps) if (rest - self.dilation * k) % self.stride == 0]
            taps.reverse()
            if taps:
                offset = (rest - self.dilation * taps[0]) // self.stride  # o of the first pair
                step = self.dilation // math.gcd(self.dilation, self.stride)
                count = len(range(size)[pixels])
                yield pixels, taps, Axis(-offset, len(taps), 1, step, count)


class Window(NamedTuple):
    """Size and steps of a window, (vertical, horizontal) each.

    Attributes
    ----------
    kernel, stride, dilation : (int, int)
    before, after : (int, int)
        Zeros above and left of the image, and below and right of it.
    ceil_mode : bool
        If True, a last window that extends over the end counts if it begins before the end.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    ceil_mode: bool = False

    def out(self, axis: int, size: int) -> int:
        """Return the number of windows on axis 0 or 1 of an image of ``size`` pixels."""
        stride, room = self.stride[axis], size + self.around(axis)
        if not self.ceil_mode:
            return room // stride + 1
        steps = -(-room // stride)
        return steps + (steps * stride < size + self.before[axis])

    def positions(self, image: tuple[int, ...]) -> tuple[int, int]:
        """Return the number of windows on an image (H, W), (oh, ow)."""
        return self.out(0, image[0]), self.out(1, image[1])

    def image(self, positions: tuple[int, ...]) -> tuple[int, int]:
        """Return the smallest (H, W) with (oh, ow) windows: the inverse of `positions`."""
        down, across = ((n - 1) * s for n, s in zip(positions, self.stride, strict=True))
        return down + self.least(0), across + self.least(1)

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros ((above, below), (left, right)): 0 where pixels are cropped."""
        (top, left), (bottom, right) = self.before, self.after
        return (max(0, top), max(0, bottom)), (max(0, left), max(0, right))

    def least(self, axis: int) -> int:
        """Return the least number of pixels on an axis for which one window fits."""
        missing = self.stride[axis] - 1 if self.ceil_mode else 0
        return -self.around(axis) - missing

    def around(self, axis: int) -> int:
        """Return the number of zeros before and after, minus the extent of a window."""
        extent = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return self.before[axis] + self.after[axis] - extent

    def axes(self, image: tuple[int, int]) -> tuple[Axis, Axis]:
        """Return the vertical and horizontal `Axis` on an image (H, W)."""
        return tuple(
            Axis(
                self.before[axis],
                self.kernel[axis],
                self.stride[axis],
                self.dilation[axis],
                self.out(axis, image[axis]),
            )
            for axis in (0, 1)
        )
