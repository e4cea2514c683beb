"""How layers and NumPy functions are written as ONNX nodes, one family a file."""

from firstlight.tools.onnx.converters import (
    activations,
    attention,
    axes,
    convolutions,
    elementwise,
    items,
    linear,
    norms,
    pooling,
    recurrent,
    resizing,
)

__all__ = [
    "activations",
    "attention",
    "axes",
    "convolutions",
    "elementwise",
    "items",
    "linear",
    "norms",
    "pooling",
    "recurrent",
    "resizing",
]
