"""Faster forms on a GPU: CUDA kernels, cuBLAS products, loss scale and uploads."""
