"""Converters of Upsample and ZeroPad2d."""

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.converters.pooling import along_both
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter


@converter(nn.Upsample)
def upsample(g: Graph, layer: nn.Upsample, x: Value) -> Value:
    """Write Resize if ONNX samples the same points, else products with the layer's matrices."""
    old = x.shape[1:3]
    new = [layer.new_size(axis, size) for axis, size in enumerate(old)]
    whole = all(n % o == 0 for n, o in zip(new, old, strict=True))
    factors = layer.scale_factor
    exact = factors is None or all(n == o * f for n, o, f in zip(new, old, factors, strict=True))
    if layer.mode == "nearest" and whole and exact:
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    elif layer.mode == "bilinear" and exact and min(new) > 1:
        corners = "align_corners" if layer.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    else:
        return along_both(g, x, *(_matrix(layer, axis, old[axis], x.dtype) for axis in (0, 1)))
    sizes = g.add("Concat", g.size(x.shape[0]), g.size(x.shape[3]), g.ints(*new), axis=0)
    return g.from_channels_first(g.add("Resize", g.channels_first(x), "", "", sizes, **how), x)


def _matrix(layer, axis, old, dtype):
    matrix = np.zeros((layer.new_size(axis, old), old), dtype)
    for i, j, a in layer.entries(axis, old):
        matrix[i, j] += a
    return matrix


@converter(nn.ZeroPad2d)
def zero_pad(g: Graph, layer: nn.ZeroPad2d, x: Value) -> Value:
    """Write Pad."""
    left, right, top, bottom = layer.padding
    pads = g.ints(0, 0, top, left, 0, 0, bottom, right)
    return g.from_channels_first(g.add("Pad", g.channels_first(x), pads), x)
