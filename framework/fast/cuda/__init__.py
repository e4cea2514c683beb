"""Faster forms on a GPU: our kernels and products, graphs, uploads, samples that live there."""
