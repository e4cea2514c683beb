"""Means of losses and metrics on a GPU: one kernel for each value."""

from typing import Any

import numpy as np

from firstlight.fast.cuda.kernel import launch, usable
from firstlight.support.array import Array
from firstlight.support.forms import by_dtype, form
from firstlight.training.means import MeanMetrics, on_device


@by_dtype
def value_on_gpu(means: MeanMetrics, value: Any) -> bool:
    """Float32 or float64 values on a GPU, on a machine where our kernels compile."""
    return on_device(value) and usable(value)


@form(MeanMetrics, when=[value_on_gpu])
class CudaMeans:
    """Add a value and its denominator in one kernel."""

    def add_value(
        self, means: MeanMetrics, value: Array, name: str, denominator: float | Array | None
    ) -> None:
        kind, number, d = 0, 1 if denominator is None else denominator, value
        if on_device(denominator):
            kind, number = (1 if denominator.dtype.kind in "iub" else 2), 0
            d = denominator.astype("int64" if kind == 1 else "float64", copy=False)
        total, weight = means.sums_on_device(name, value)
        launch("means", "add_value", value, 1, value, d, kind, np.float64(number), total, weight,
               block=1)  # fmt: skip
