"""Batches gathered from samples on a GPU and scaled, in one kernel."""

import math
from typing import Any

import numpy as np

from firstlight.data._resident import Resident
from firstlight.fast.cuda.kernel import blocks_for, launch, usable
from firstlight.support.array import Array
from firstlight.support.forms import form


def bytes_or_float32_on_gpu(resident: Resident, x: Any) -> bool:
    """Arrays of uint8 or float32 on a GPU, on a machine where our kernels compile."""
    return x.dtype.name in ("uint8", "float32") and usable(x, "float32")


@form(Resident, when=[bytes_or_float32_on_gpu])
class CudaGather:
    """Gather and scale in one kernel."""

    def take_scaled(self, resident: Resident, x: Array, places: Array, factor: float) -> Array:
        shape = (len(places), *x.shape[1:])
        batch = np.empty_like(x, order="C", shape=shape, dtype="float32")
        if batch.size:
            name = "gather_bytes" if x.dtype == np.uint8 else "gather_reals"
            arguments = (x, places, batch, float(factor), math.prod(x.shape[1:]), batch.size)
            launch("gather", name, batch, blocks_for(batch.size), *arguments)
        return batch
