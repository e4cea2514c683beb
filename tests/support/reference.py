"""The definitions, as loops: slow, and plain enough to be seen to be right."""

import itertools

import numpy as np


def max_pool2d(x, kernel, stride, padding, dilation, draw, ceil_mode=False):
    """Return the largest value of each window, dy = draw(shape), and dx: dy at the first one."""
    windows = list(windows_of(x.shape[1:3], kernel, stride, padding, dilation, ceil_mode))
    y, dx = np.zeros((len(x), *np.array(windows[-1][0]) + 1, x.shape[3])), np.zeros_like(x)
    dy = draw(y.shape)
    for (h, v), pixels, _ in windows:
        for n, c in itertools.product(range(len(x)), range(x.shape[3])):
            row, column = max(pixels, key=lambda pixel: x[n, *pixel, c])
            y[n, h, v, c] = x[n, row, column, c]
            dx[n, row, column, c] += dy[n, h, v, c]
    return y, dy, dx


def avg_pool2d(x, kernel, stride, padding, draw, ceil_mode=False, count_include_pad=True):
    """Return the mean of each window, dy = draw(shape), and dx."""
    windows = list(windows_of(x.shape[1:3], kernel, stride, padding, (1, 1), ceil_mode))
    y, dx = np.zeros((len(x), *np.array(windows[-1][0]) + 1, x.shape[3])), np.zeros_like(x)
    dy = draw(y.shape)
    for (h, v), pixels, framed in windows:
        count = framed if count_include_pad else len(pixels)
        for row, column in pixels:
            y[:, h, v] += x[:, row, column] / count
            dx[:, row, column] += dy[:, h, v] / count
    return y, dy, dx


def windows_of(image, kernel, stride, padding, dilation, ceil_mode):
    """Yield ``((h, v), pixels, framed)``: what windows see of an image, and of it with its frame.

    A window begins in the image or before it, and ends, unless ``ceil_mode``, in its frame.
    """
    per_axis = []
    for size, k, s, p, d in zip(image, kernel, stride, padding, dilation, strict=True):
        starts = range(-p, size, s)
        reach = [[start + i * d for i in range(k)] for start in starts]
        if ceil_mode:  # as many as are needed to reach the end of the frame
            enough = [n for n, seen in enumerate(reach) if seen[-1] >= size + p - 1]
            reach = reach[: enough[0] + 1] if enough else reach
        else:
            reach = [seen for seen in reach if seen[-1] < size + p]
        per_axis.append([(seen, size, p) for seen in reach])
    for (h, (down, height, above)), (v, (right, width, left)) in itertools.product(
        *map(enumerate, per_axis)
    ):
        pixels = [(i, j) for i in down for j in right if 0 <= i < height and 0 <= j < width]
        framed = sum(i < height + above for i in down) * sum(j < width + left for j in right)
        yield (h, v), pixels, framed
