"""Window: where the kernel of a convolution or a pooling goes on an image."""

import math
from collections.abc import Iterator
from typing import NamedTuple


class Axis(NamedTuple):
    """The windows along one axis: window m sees the pixels m · stride + tap · dilation - before.

    Attributes
    ----------
    before : int
        Zeros in front of the image; if negative, pixels of it that are left out.
    taps, stride, dilation : int
        Pixels a window sees; steps from window to window, and from pixel to pixel in it.
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
        """Pixels from the first that any window sees to the last."""
        return (self.out - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    def seen_at(self, tap: int) -> slice:
        """Return the pixels that all windows see with one tap, counted from the first zero."""
        start = tap * self.dilation
        return slice(start, start + (self.out - 1) * self.stride + 1, self.stride)

    def part(self, windows: slice) -> "Axis":
        """Return the Axis of some of the windows, a slice of them."""
        before = self.before - windows.start * self.stride
        return self._replace(before=before, out=windows.stop - windows.start)

    def inside(self, tap: int, size: int) -> tuple[slice, slice]:
        """Return which windows see one of ``size`` pixels with a tap, and which: two slices."""
        offset = tap * self.dilation - self.before
        first = max(0, -(offset // self.stride))
        stop = max(first, min(self.out, (size - 1 - offset) // self.stride + 1))
        pixels = slice(offset + first * self.stride, offset + stop * self.stride, self.stride)
        return slice(first, stop), pixels

    def back(self, size: int) -> Iterator[tuple[slice, list[int], "Axis"]]:
        """Yield ``(pixels, taps, Axis on dy)``: the windows on dy that make up dx, ``size`` long.

        Pixel i of x is under tap k of window o where i + before = stride · o + dilation · k, so
        dx_i = Σ dy_o w_k over those pairs. For stride 1 that is a convolution of dy with the
        kernel's taps in reverse. For stride s the pixels that leave the same rest when divided
        by s are under the same taps, and there are s such convolutions, each with its share of
        the taps and stride 1.
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
        Zeros above and to the left of the image, below and to the right.
    ceil_mode : bool
        Whether a last window that reaches over the end counts, if it begins before that end.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    ceil_mode: bool = False

    def out(self, axis: int, size: int) -> int:
        """Return how many windows fit on axis 0 or 1 of an image of ``size`` pixels."""
        stride, room = self.stride[axis], size + self.around(axis)
        if not self.ceil_mode:
            return room // stride + 1
        steps = -(-room // stride)
        return steps + (steps * stride < size + self.before[axis])

    def least(self, axis: int) -> int:
        """Return how many pixels an image needs on an axis for one window to fit."""
        missing = self.stride[axis] - 1 if self.ceil_mode else 0
        return -self.around(axis) - missing

    def around(self, axis: int) -> int:
        """Return the zeros before and after, less the pixels that one window reaches over."""
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
