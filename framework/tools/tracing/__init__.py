"""The recording of what a module computes, for ONNX, demos and the graphs of layers."""
