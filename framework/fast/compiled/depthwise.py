"""Depthwise convolution in compiled tiles."""

from firstlight.fast.compiled import convolution
from firstlight.nn.window import Axis
from firstlight.support.array import Array


def correlate(
    x: Array, w: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
) -> None:
    """Write x (N, H, W, C) under the kernels (C, kh, kw) + bias into y, which may have gaps."""
    kernels = w.reshape(len(w), -1).T  # (kh · kw, C)
    convolution.correlate(x, kernels, rows, columns, y, bias, by_channel=True)


def weight_gradient(x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
    """Return dL/dW (C, kh, kw)."""
    dw = convolution.weight_gradient(x, dy, rows, columns, by_channel=True)
    return dw.reshape(-1, rows.taps, columns.taps)
