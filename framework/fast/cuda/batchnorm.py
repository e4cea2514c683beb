"""BatchNorm on a GPU: sums by our kernels."""

from firstlight.distributed.normalisation import several_ranks
from firstlight.fast.blocked.batchnorm import BlockedBatchNorm
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import column_sums, rows_of
from firstlight.nn.batchnorm import BatchNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(BatchNorm, when=[gpu_float, several_ranks])
@form(BatchNorm, when=[gpu_float])
class CudaBatchNorm(BlockedBatchNorm):
    """Compute sums by channel in two stages; maps are one block."""

    @staticmethod
    def moments(x: Array) -> tuple[Array, Array]:
        rows = rows_of(x)  # (n, C)
        mean = column_sums(rows) / len(rows)  # (C,)
        centered = rows - mean  # (n, C)
        return mean, column_sums(centered, centered) / len(rows)

    @staticmethod
    def dots(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        rows = rows_of(dy)  # (n, C)
        return column_sums(rows), column_sums(rows, rows_of(x - mean))
