"""ONNX files: `to_onnx` writes a module, and `converter` adds a layer."""

from firstlight.tools.onnx.exporting import Exported, to_onnx
from firstlight.tools.onnx.registry import converter

__all__ = ["Exported", "converter", "to_onnx"]
