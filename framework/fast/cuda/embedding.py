"""Embedding on a GPU: one kernel sums the gradients of each row, in a fixed order."""

import numpy as np

from firstlight.fast.blocked.embedding import BlockedEmbedding
from firstlight.fast.conditions import gpu_float_weight
from firstlight.fast.cuda.cupy_ops import add_column_sums, contiguous
from firstlight.fast.cuda.gemm import rounded
from firstlight.fast.cuda.kernel import launch, reals
from firstlight.nn.embedding import Embedding
from firstlight.support.array import Array
from firstlight.support.forms import form

SMALL = 1024  # rows of a table for each of which all indices are read
MOST_CHUNKS = 65535  # blocks of a grid along y


@form(Embedding, when=[gpu_float_weight])
class CudaEmbedding(BlockedEmbedding):
    """Add without atomic operations, so that the same numbers give the same sums."""

    def forward(self, layer: Embedding, x: Array) -> Array:
        layer.save(x)
        table = layer.weight.data
        if table.size <= x.size * layer.embedding_dim:  # or else its rows are fewer to round
            table = rounded(table)
        return rounded(np.take(table, x, axis=0))  # (..., D)

    @staticmethod
    def add_rows(table: Array, indices: Array, rows: Array, skip: int | None) -> None:
        vocabulary, width = table.shape
        count = len(indices)
        if not count:
            return
        index = contiguous(indices.astype("int64", copy=False))
        if vocabulary > SMALL and table.flags.c_contiguous:
            arguments = (index, contiguous(rows), table, count, width)
            skipped = np.int64(-1 if skip is None else skip)
            launch("embedding", "embedding_add", rows, count, *arguments, skipped)
            return
        if skip is not None:
            rows = rows * (indices != skip)[:, None].astype(rows.dtype)
        chunks = max(1, min(count // 256, (1 << 22) // (vocabulary * width), MOST_CHUNKS))
        chunk = -(-count // chunks)
        partial = reals(rows, (chunks, vocabulary, width))
        arguments = (index, contiguous(rows), partial, count, width, vocabulary, chunk)
        launch("embedding", "embedding_dw", rows, (vocabulary, chunks), *arguments)
        add_column_sums(partial.reshape(chunks, -1), table)
