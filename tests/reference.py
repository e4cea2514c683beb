"""The definitions, as loops: slow, and plain enough to be seen to be right."""

import itertools

import numpy as np


def conv2d(x, w, bias, stride, padding, dilation, groups):
    """Convolve images (N, H, W, C) with kernels (O, kh, kw, C / groups); six loops.

    ``padding`` is ((above, below), (left, right)).
    """
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    out, kh, kw, each = w.shape
    oh, ow = (
        (x.shape[1 + axis] - dilation[axis] * (w.shape[1 + axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    y = np.zeros((len(x), oh, ow, out))
    for h, v, o, i, j, c in itertools.product(*map(range, (oh, ow, out, kh, kw, each))):
        channel = o // (out // groups) * each + c
        row, column = h * stride[0] + i * dilation[0], v * stride[1] + j * dilation[1]
        y[:, h, v, o] += x[:, row, column, channel] * w[o, i, j, c]
    return y if bias is None else y + bias


def conv2d_backward(x, w, dy, stride, padding, dilation, groups):
    """Return dx and dW of `conv2d`, from the same six loops."""
    shape = x.shape
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    out, kh, kw, each = w.shape
    loops = map(range, (*dy.shape[1:], kh, kw, each))
    for h, v, o, i, j, c in itertools.product(*loops):
        channel = o // (out // groups) * each + c
        row, column = h * stride[0] + i * dilation[0], v * stride[1] + j * dilation[1]
        dx[:, row, column, channel] += dy[:, h, v, o] * w[o, i, j, c]
        dw[o, i, j, c] += (dy[:, h, v, o] * x[:, row, column, channel]).sum()
    (top, _), (left, _) = padding
    return dx[:, top : top + shape[1], left : left + shape[2]], dw


def max_pool2d(x, kernel, stride, padding, dilation, draw):
    """Return the largest value of each window, dy = draw(shape), and dx: dy at the first one."""
    edges = [(p, p) for p in padding]
    framed = np.pad(x, ((0, 0), *edges, (0, 0)), constant_values=-np.inf)
    oh, ow = (
        (framed.shape[1 + a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)
    )
    y, dx = np.empty((len(x), oh, ow, x.shape[3])), np.zeros_like(framed)
    dy = draw(y.shape)
    for n, h, v, c in itertools.product(*map(range, y.shape)):
        pixels = [
            (h * stride[0] + i * dilation[0], v * stride[1] + j * dilation[1])
            for i in range(kernel[0])
            for j in range(kernel[1])
        ]
        row, column = max(pixels, key=lambda pixel: framed[n, *pixel, c])
        y[n, h, v, c] = framed[n, row, column, c]
        dx[n, row, column, c] += dy[n, h, v, c]
    top, left = padding
    return y, dy, dx[:, top : top + x.shape[1], left : left + x.shape[2]]
