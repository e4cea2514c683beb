"""Convolution of channels-last images: products of patches and kernels, a few samples at a time.

With P(x) the matrix of patches (see `firstlight.fast.blocked.patches`) and W as (O, kh · kw · C)::

    y = P(x) Wᵀ        dWᵀ = P(x)ᵀ dy

For dx, each tap (i, j) of the kernel adds dy W_ij to the pixels that it saw, all windows at once.
That is one product and one addition per tap, on a few samples that stay in the cache. It is faster
than products of patches of dy, which hold each number kh · kw times.

Groups are separate convolutions; if each has one channel only, `firstlight.fast.blocked.depthwise`
has a faster form. With the extra ``fast``, `firstlight.fast.compiled.convolution` needs no patches.
"""

import numpy as np

from firstlight.fast.blocked import depthwise
from firstlight.fast.blocked.patches import over_chunks, patches, tiles
from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.compiled import fastest
from firstlight.fast.window import Axis, Window
from firstlight.support.array import Array


def conv2d(x: Array, w: Array, bias: Array | None, window: Window, groups: int = 1) -> Array:
    """Return the convolution of images with kernels.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    w : array, shape (O, kh, kw, C / groups)
    bias : array, shape (O,), or None
    window : firstlight.fast.window.Window
    groups : int

    Returns
    -------
    array, shape (N, oh, ow, O)

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.fast.blocked.convolution import conv2d
    >>> from firstlight.fast.window import Window
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> window = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))
    >>> conv2d(x, np.ones((1, 2, 2, 1)), None, window)[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    rows, columns = window.axes(x.shape[1:3])
    y = np.empty_like(x, order="C", shape=(len(x), rows.out, columns.out, len(w)))
    if _is_depthwise(w, groups):
        fastest(depthwise.correlate, x, w)(x, w[..., 0], rows, columns, y, bias)
        return y
    biases = [None] * groups if bias is None else np.split(bias, groups)
    parts = zip(*_by_group(groups, x, y), np.split(w, groups), biases, strict=True)
    write = fastest(correlate, x, w)
    for part, out, kernels, b in parts:
        write(part, kernels.reshape(len(kernels), -1).T, rows, columns, out, b)
    return y


def conv2d_dx(
    dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int = 1
) -> Array:
    """Return dL/dx for images of (H, W) pixels; this is also a transposed convolution.

    Parameters
    ----------
    dy : array, shape (N, oh, ow, O)
    w : array, shape (O, kh, kw, C / groups)
    window : firstlight.fast.window.Window
    image : (int, int)
    groups : int

    Returns
    -------
    array, shape (N, H, W, C)
    """
    rows, columns = window.axes(image)
    dx = np.empty_like(dy, order="C", shape=(len(dy), *image, groups * w.shape[3]))
    if _is_depthwise(w, groups):
        depthwise.input_gradient(dy, w[..., 0], rows, columns, dx)
        return dx
    parts = zip(*_by_group(groups, dy, dx), np.split(w, groups), strict=True)
    write = fastest(input_gradient, dy, w)
    for part, part_dx, kernels in parts:
        write(part, kernels, rows, columns, part_dx)
    return dx


def conv2d_dw(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    """Return dL/dW.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
    dy : array, shape (N, oh, ow, O)
    window : firstlight.fast.window.Window
    groups : int

    Returns
    -------
    array, shape (O, kh, kw, C / groups)
    """
    rows, columns = window.axes(x.shape[1:3])
    if 1 < groups == x.shape[3] == dy.shape[3]:
        return fastest(depthwise.weight_gradient, x, dy)(x, dy, rows, columns)[..., None]
    add_up = fastest(weight_gradient, x, dy)
    sums = [
        add_up(part, part_dy, rows, columns)
        for part, part_dy in zip(*_by_group(groups, x, dy), strict=True)
    ]
    dw = np.concatenate(sums) if groups > 1 else sums[0]
    return dw.reshape(dy.shape[3], rows.taps, columns.taps, -1)


def _is_depthwise(w, groups):
    """Return True if there are several channels and each has its own kernel."""
    return 1 < groups == len(w) and w.shape[3] == 1


def _by_group(groups, *images):
    """Split each array of images (N, H, W, C) into its groups of channels."""
    return [np.split(image, groups, axis=3) for image in images]


def correlate(
    x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
) -> None:
    """Write P(x) kernels + bias into y (N, rows.out, columns.out, O), which may have gaps."""
    kernels = np.asarray(kernels, order="C", like=kernels)  # (kh · kw · C, O)

    def multiply(start, stop):
        _correlate_chunk(x[start:stop], kernels, rows, columns, y[start:stop], bias)

    over_chunks(multiply, x, y.size * len(kernels))


def _correlate_chunk(x, kernels, rows, columns, y, bias):
    """Compute `correlate` for some samples, in this thread."""
    out = kernels.shape[1]
    line_bias = None if bias is None else np.tile(bias, columns.out)  # long runs add faster
    for samples, lines, matrix in patches(x, rows, columns, out):
        part = y[samples, lines]  # (n, lines, ow, O)
        whole = part if part.flags.c_contiguous else np.empty_like(y, order="C", shape=part.shape)
        np.matmul(matrix, kernels, out=whole.reshape(-1, out))
        if bias is not None:
            lines_of_y = whole.reshape(-1, columns.out * out)
            lines_of_y += line_bias
        if whole is not part:
            part[...] = whole


def input_gradient(dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array) -> None:
    """Write Σ_ij dy W_ij, at the pixels that tap (i, j) saw, into dx (N, H, W, C)."""
    kernels = np.asarray(w.transpose(1, 2, 0, 3), order="C", like=w)  # (kh, kw, O, C)

    def add_up(start, stop):
        _input_gradient_of_chunk(dy[start:stop], kernels, rows, columns, dx[start:stop])

    over_chunks(add_up, dy, dy.size * w[0].size)


def _input_gradient_of_chunk(dy, kernels, rows, columns, dx):
    """Compute `input_gradient` for some samples: a product and an addition for each tap."""
    across = [columns.inside(j, dx.shape[2]) for j in range(columns.taps)]
    pixel_bytes = dy.itemsize * (dy.shape[3] + 2 * dx.shape[3])  # of dy, the share and dx
    for samples, lines in tiles(dy, pixel_bytes // 2):  # they fill the L2 cache
        part, images = dy[samples, lines], dx[samples]
        if lines.start == 0:
            images[...] = 0
        share = scratch("share", (*part.shape[:3], dx.shape[3]), dy)
        matrix, product = part.reshape(-1, dy.shape[3]), share.reshape(-1, dx.shape[3])
        for i in range(rows.taps):
            windows, ys = rows.part(lines).inside(i, dx.shape[1])
            for j, (seen, xs) in enumerate(across):
                np.matmul(matrix, kernels[i, j], out=product)
                images[:, ys, xs] += share[:, windows, seen]


def weight_gradient(x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
    """Return (P(x)ᵀ dy)ᵀ, of shape (O, kh · kw · C); the product with O columns is faster."""

    def add_up(start, stop):
        return _weight_gradient_of_chunk(x[start:stop], dy[start:stop], rows, columns)

    return sum(over_chunks(add_up, x, dy.size * rows.taps * columns.taps * x.shape[3])).T


def _weight_gradient_of_chunk(x, dy, rows, columns):
    """Return P(x)ᵀ dy, of shape (kh · kw · C, O)."""
    out, size = dy.shape[3], rows.taps * columns.taps * x.shape[3]
    dw = np.zeros_like(x, order="C", shape=(size, out))
    for samples, lines, matrix in patches(x, rows, columns, out):
        dw += matrix.T @ dy[samples, lines].reshape(-1, out)
    return dw
