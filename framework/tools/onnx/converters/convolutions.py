"""Converters of convolutions; ONNX has them with channels first."""

from typing import Any

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter

CHANNELS_FIRST = (0, 3, 1, 2)  # of weights, too


def _weights(g, layer):
    bias = [] if layer.bias is None else [g.parameter(layer.bias)]
    return [g.parameter(layer.weight, CHANNELS_FIRST), *bias]


def _steps(layer: Any) -> dict[str, Any]:
    window = layer.window
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "group": layer.groups,
    }


@converter(nn.Conv2d)
def convolution(g: Graph, layer: nn.Conv2d, x: Value) -> Value:
    """Write Conv."""
    pads = (*layer.window.before, *layer.window.after)
    y = g.add("Conv", g.channels_first(x), *_weights(g, layer), pads=pads, **_steps(layer))
    return g.from_channels_first(y, x)


@converter(nn.ConvTranspose2d)
def transposed(g: Graph, layer: nn.ConvTranspose2d, x: Value) -> Value:
    """Write ConvTranspose; output_padding is what is cut off less at the end.

    ONNX wants it below the stride. A larger one is rows and columns of the bias at the end.
    """
    before, after = layer.window.before, layer.window.after
    extra = [b - a for b, a in zip(before, after, strict=True)]
    inputs = [g.channels_first(x), *_weights(g, layer)]
    if all(n < stride for n, stride in zip(extra, layer.window.stride, strict=True)):
        pads = (*before, *before)
        y = g.add("ConvTranspose", *inputs, pads=pads, output_padding=extra, **_steps(layer))
        return g.from_channels_first(y, x)
    pads = (*before, *(max(n, 0) for n in after))
    y = g.add("ConvTranspose", *inputs[:2], pads=pads, **_steps(layer))
    if min(after) < 0:
        y = g.add("Pad", y, g.ints(*[0] * 6, *(max(-n, 0) for n in after)))
    if layer.bias is not None:
        y = g.add("Add", y, g.constant(layer.bias.data.reshape(-1, 1, 1), f"{g.scope}.bias"))
    return g.from_channels_first(y, x)


@converter(nn.PatchEmbedding)
def patches(g: Graph, layer: nn.PatchEmbedding, x: Value) -> Value:
    """Write Conv with a kernel as large as its steps."""
    p, linear = layer.patch_size, layer.proj
    kernels = linear.weight.data.reshape(-1, p, p, layer.in_channels)
    weight = g.constant(kernels.transpose(CHANNELS_FIRST), f"{g.scope}.proj.weight".lstrip("."))
    inputs = [g.channels_first(x), weight, g.parameter(linear.bias)]
    y = g.add("Conv", *inputs, kernel_shape=(p, p), strides=(p, p))  # (N, C, h, w)
    y = g.add("Reshape", y, g.ints(0, linear.out_features, -1))  # (N, C, T)
    return Value(y, order=(0, 2, 1))
