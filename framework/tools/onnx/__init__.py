"""ONNX files: `to_onnx` writes a module, `from_onnx` loads one, and `converter` adds a layer."""

from firstlight.tools.onnx.exporting import Exported, to_onnx
from firstlight.tools.onnx.importing import from_onnx
from firstlight.tools.onnx.registry import converter

__all__ = ["Exported", "converter", "from_onnx", "to_onnx"]
