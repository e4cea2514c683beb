"""Embedding: sums of the gradients of equal indices, each added to its row once."""

import numpy as np

from firstlight.fast.blocked.indexing import add_by_index
from firstlight.fast.conditions import numpy_float32_weight
from firstlight.nn.embedding import Embedding
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Embedding, when=[numpy_float32_weight])
class BlockedEmbedding:
    """Sort the indices, so that the gradients of equal ones are neighbours."""

    def forward(self, layer: Embedding, x: Array) -> Array:
        layer.save(x)
        return np.take(layer.weight.data, x, axis=0)  # (..., D)

    def backward(self, layer: Embedding, dy: Array) -> None:
        (x,) = layer.saved()
        rows = dy.reshape(-1, layer.embedding_dim)  # (N, D)
        self.add_rows(layer.weight.grad, x.reshape(-1), rows, layer.padding_idx)

    @staticmethod
    def add_rows(table: Array, indices: Array, rows: Array, skip: int | None) -> None:
        """Add each row to that row of the table which its index names, unless it is ``skip``."""
        add_by_index(table, indices, rows, skip)
