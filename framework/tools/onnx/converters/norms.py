"""Converters of normalisations."""

from typing import Any

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter


def _affine(g, layer, count):
    return g.filled(layer.weight, count, 1), g.filled(layer.bias, count, 0)


@converter(nn.BatchNorm1d, nn.BatchNorm2d)
def batch_norm(g: Graph, layer: nn.BatchNorm2d, x: Value) -> Value:
    """Write BatchNormalization; without running statistics, the batch's own."""
    if layer.running_mean is None:
        return _standardised(g, layer, x)
    return _with_statistics(g, layer, x)


def _with_statistics(g, layer, x):
    mean, var = g.parameter(layer.running_mean), g.parameter(layer.running_var)
    inputs = [g.channels_first(x), *_affine(g, layer, layer.num_features), mean, var]
    y = g.add("BatchNormalization", *inputs, epsilon=layer.eps)
    return g.from_channels_first(y, x)


def _standardised(g, layer, x):
    """Write (x - mean) / √(var + eps) over all axes but the last."""
    x, axes = g.plain(x), g.ints(*range(x.ndim - 1))
    centred = g.add("Sub", x, g.add("ReduceMean", x, axes))
    var = g.add("ReduceMean", g.add("Mul", centred, centred), axes)
    y = g.add("Div", centred, g.add("Sqrt", g.add("Add", var, g.number(layer.eps))))
    if layer.weight is not None:
        y = g.add("Mul", y, g.parameter(layer.weight))
    return Value(y if layer.bias is None else g.add("Add", y, g.parameter(layer.bias)))


@converter(nn.InstanceNorm2d)
def instance_norm(g: Graph, layer: nn.InstanceNorm2d, x: Value) -> Value:
    """Write InstanceNormalization, or BatchNormalization with running statistics."""
    if layer.running_mean is not None:
        return _with_statistics(g, layer, x)
    inputs = [g.channels_first(x), *_affine(g, layer, layer.num_features)]
    y = g.add("InstanceNormalization", *inputs, epsilon=layer.eps)
    return g.from_channels_first(y, x)


@converter(nn.GroupNorm)
def group_norm(g: Graph, layer: nn.GroupNorm, x: Value) -> Value:
    """Write InstanceNormalization with the groups as channels."""
    groups = layer.num_groups
    one, zero = (g.constant(np.full(groups, n, g.dtype)) for n in (1, 0))
    channels = Value(g.channels_first(x), [x.shape[i] for i in _first(x.ndim)], x.dtype)
    y = g.add("Reshape", channels.name, g.ints(0, groups, -1))
    y = g.add("InstanceNormalization", y, one, zero, epsilon=layer.eps)
    y = g.reshaped(Value(y, (x.shape[0], groups, -1), x.dtype), channels.shape).name
    for op, leaf in (("Mul", layer.weight), ("Add", layer.bias)):
        if leaf is not None:
            wide = leaf.data.reshape(-1, *(1,) * (x.ndim - 2))  # (C, 1, 1)
            y = g.add(op, y, g.constant(wide, f"{g.scope}.{op}".lstrip(".")))
    return g.from_channels_first(y, x)


def _first(rank):
    return (0, rank - 1, *range(1, rank - 1))


@converter(nn.LayerNorm)
def layer_norm(g: Graph, layer: nn.LayerNorm, x: Value) -> Value:
    """Write LayerNormalization."""
    axes = len(layer.normalized_shape)
    scale = g.filled(layer.weight, layer.normalized_shape, 1)
    bias = [] if layer.bias is None else [g.parameter(layer.bias)]
    y = g.add("LayerNormalization", g.plain(x), scale, *bias, axis=-axes, epsilon=layer.eps)
    return Value(y)


@converter(nn.RMSNorm)
def rms_norm(g: Graph, layer: nn.RMSNorm, x: Value) -> Value:
    """Write x / √(mean x² + eps)."""
    eps: Any = np.finfo(x.dtype).eps if layer.eps is None else layer.eps
    x_name = g.plain(x)
    square = g.add("ReduceMean", g.add("Mul", x_name, x_name), g.ints(*layer.axes))
    y = g.add("Div", x_name, g.add("Sqrt", g.add("Add", square, g.number(eps, x.dtype))))
    return Value(y if layer.weight is None else g.add("Mul", y, g.parameter(layer.weight)))
