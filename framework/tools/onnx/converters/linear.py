"""Converters of Linear and Embedding, and of layers that change the shape."""

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter


@converter(nn.Linear)
def linear(g: Graph, layer: nn.Linear, x: Value) -> Value:
    """Write Gemm for (N, features), else MatMul and Add."""
    if x.ndim == 2:
        bias = [] if layer.bias is None else [g.parameter(layer.bias)]
        return Value(g.add("Gemm", g.plain(x), g.parameter(layer.weight), *bias, transB=1))
    y = g.add("MatMul", g.plain(x), g.parameter(layer.weight, (1, 0)))
    return Value(y if layer.bias is None else g.add("Add", y, g.parameter(layer.bias)))


@converter(nn.Embedding)
def embedding(g: Graph, layer: nn.Embedding, x: Value) -> Value:
    """Write Gather."""
    ids = g.plain(x)
    if x.dtype not in (np.int32, np.int64):
        ids = g.cast(ids, x.dtype, np.int64)
    return Value(g.add("Gather", g.parameter(layer.weight), ids))


@converter(nn.Flatten)
def flatten(g: Graph, layer: nn.Flatten, x: Value) -> Value:
    """Write Flatten, or Reshape if several axes are kept."""
    start = layer.start_dim % x.ndim
    if start == 1:
        return Value(g.add("Flatten", g.plain(x), axis=1))
    return Value(g.add("Reshape", g.plain(x), g.ints(*[0] * start, -1)))


@converter(nn.Reshape)
def reshape(g: Graph, layer: nn.Reshape, x: Value) -> Value:
    """Write Reshape."""
    return Value(g.add("Reshape", g.plain(x), g.ints(0, *layer.shape)))
