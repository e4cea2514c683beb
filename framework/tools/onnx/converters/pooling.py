"""Converters of pooling layers."""

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter


def _pads(window, image):
    """Return pads for which rounding down gives the layer's number of windows."""
    after = []
    for axis, size in zip(window.axes(image), image, strict=True):
        end = axis.span - size - axis.before
        after.append(max(end, window.after[len(after)]))
    return [*window.before, *after]


@converter(nn.MaxPool2d)
def max_pool(g: Graph, layer: nn.MaxPool2d, x: Value) -> Value:
    """Write MaxPool, after Pad if the padding is as large as the window, which ONNX refuses."""
    window, y = layer.window, g.channels_first(x)
    pads = _pads(window, x.shape[1:3])
    if any(n >= size for n, size in zip(pads, window.kernel * 2, strict=True)):
        around = g.ints(0, 0, *pads[:2], 0, 0, *pads[2:])
        y, pads = g.add("Pad", y, around, g.number(-np.inf, x.dtype)), [0] * 4
    y = g.add(
        "MaxPool",
        y,
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation,
        pads=pads,
    )
    return g.from_channels_first(y, x)


@converter(nn.AvgPool2d)
def average_pool(g: Graph, layer: nn.AvgPool2d, x: Value) -> Value:
    """Write AveragePool; a last window beyond the end is divided by the pixels that count."""
    window, image = layer.window, x.shape[1:3]
    pads = _pads(window, image)
    beyond = pads != [*window.before, *window.after]
    y = g.add(
        "AveragePool",
        g.channels_first(x),
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=pads,
        count_include_pad=int(layer.count_include_pad or beyond),
    )
    if beyond:
        count = layer._pixels_counted(np.zeros((1, *image, 1), x.dtype))[..., 0]  # (oh, ow)
        y = g.add("Mul", y, g.constant((np.prod(window.kernel) / count).astype(x.dtype)))
    return g.from_channels_first(y, x)


@converter(nn.GlobalAvgPool2d)
def global_average_pool(g: Graph, layer: nn.GlobalAvgPool2d, x: Value) -> Value:
    """Write the mean over the pixels."""
    axes = [1, 2] if x.order is None else [2, 3]
    y = g.plain(x) if x.order is None else g.channels_first(x)
    return Value(g.add("ReduceMean", y, g.ints(*axes), keepdims=0))


@converter(nn.AdaptiveAvgPool2d)
def adaptive_average_pool(g: Graph, layer: nn.AdaptiveAvgPool2d, x: Value) -> Value:
    """Write AveragePool if the sizes divide, else the means as two products with matrices."""
    image, out = x.shape[1:3], layer.output_size
    if all(size % n == 0 for size, n in zip(image, out, strict=True)):
        kernel = [size // n for size, n in zip(image, out, strict=True)]
        y = g.add("AveragePool", g.channels_first(x), kernel_shape=kernel, strides=kernel)
        return g.from_channels_first(y, x)
    rows, columns = (means(*sizes, x.dtype) for sizes in zip(image, out, strict=True))
    return along_both(g, x, rows, columns)


def means(size: int, out: int, dtype: np.dtype) -> np.ndarray:
    """Return the matrix (out, size) whose rows average cells of an axis."""
    matrix = np.zeros((out, size), dtype)
    for m in range(out):
        start, stop = m * size // out, -(-(m + 1) * size // out)
        matrix[m, start:stop] = 1 / (stop - start)
    return matrix


def along_both(g: Graph, x: Value, rows: np.ndarray, columns: np.ndarray) -> Value:
    """Return rows x columnsᵀ for each channel of images."""
    y = g.add("MatMul", g.constant(rows), g.channels_first(x))  # (N, C, H', W)
    return g.from_channels_first(g.add("MatMul", y, g.constant(columns.T)), x)
