"""Biases and their gradients within compiled layers; an empty vector is none."""

import numpy as np

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

HOW = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}


@cached_njit(**HOW)
def add_bias(rows: Array, bias: Array) -> None:
    """Add a bias to each row."""
    if len(bias):
        for i in range(len(rows)):
            rows[i] += bias


@cached_njit(**HOW)
def add_sums(rows: Array, share: float, out: Array) -> None:
    """Set ``out`` to the sum of the rows + share · out."""
    if len(out):
        total = np.zeros(len(out), np.float32)  # a partial sum, which is more accurate
        for i in range(len(rows)):
            total += rows[i]
        for j in range(len(out)):
            out[j] = total[j] if share == 0 else total[j] + np.float32(share) * out[j]
