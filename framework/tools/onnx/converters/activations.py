"""Converters of activations, and of layers that do nothing in evaluation mode."""

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter

NAMES = {nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.Tanh: "Tanh"}


@converter(*NAMES)
def named(g: Graph, layer: nn.ReLU | nn.Sigmoid | nn.Tanh, x: Value) -> Value:
    """Write an activation that ONNX has under another name."""
    return g.unary(NAMES[type(layer)], x)


@converter(nn.Identity, nn.Dropout, nn.Dropout2d)
def nothing(g: Graph, layer: nn.Identity, x: Value) -> Value:
    """Write nothing."""
    return x


@converter(nn.LeakyReLU)
def leaky_relu(g: Graph, layer: nn.LeakyReLU, x: Value) -> Value:
    """Write LeakyRelu."""
    return g.unary("LeakyRelu", x, alpha=layer.negative_slope)


@converter(nn.ELU)
def elu(g: Graph, layer: nn.ELU, x: Value) -> Value:
    """Write Elu."""
    return g.unary("Elu", x, alpha=layer.alpha)


@converter(nn.SiLU)
def silu(g: Graph, layer: nn.SiLU, x: Value) -> Value:
    """Write x σ(x)."""
    return g.elementwise("Mul", x, g.unary("Sigmoid", x))


@converter(nn.GELU)
def gelu(g: Graph, layer: nn.GELU, x: Value) -> Value:
    """Write Gelu."""
    return g.unary("Gelu", x, approximate=layer.approximate)


@converter(nn.Softplus)
def softplus(g: Graph, layer: nn.Softplus, x: Value) -> Value:
    """Write Softplus, and x itself above the threshold."""
    beta = g.value(layer.beta, x.dtype)
    z = x if layer.beta == 1 else g.elementwise("Mul", x, beta)
    y = g.unary("Softplus", z)
    y = y if layer.beta == 1 else g.elementwise("Div", y, beta)
    if x.dtype == np.float32 and layer.threshold >= 20:  # there y = x in float32
        return y
    above = g.elementwise("Greater", z, g.value(layer.threshold, x.dtype))
    return g.elementwise("Where", above, x, y)


@converter(nn.Softmax, nn.LogSoftmax)
def softmax(g: Graph, layer: nn.Softmax, x: Value) -> Value:
    """Write Softmax or LogSoftmax."""
    return Value(g.add(type(layer).__name__, g.plain(x), axis=layer.dim))
