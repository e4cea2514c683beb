"""Depthwise convolution in compiled tiles, in which each channel of y sees only its own of x."""

from firstlight.fast.compiled import convolution


def correlate(x, w, rows, columns, y, bias=None):
    """Write x (N, H, W, C) under the kernels (C, kh, kw) + bias into y, which may have gaps."""
    kernels = w.reshape(len(w), -1).T  # (kh · kw, C)
    convolution.correlate(x, kernels, rows, columns, y, bias, by_channel=True)


def gradient(x, dy, rows, columns):
    """Return dL/dW (C, kh, kw)."""
    dw = convolution.gradient(x, dy, rows, columns, by_channel=True)
    return dw.reshape(-1, rows.taps, columns.taps)
