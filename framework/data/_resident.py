"""Samples kept on a GPU, where batches are gathered without the host."""

from typing import Any

import numpy as np

from firstlight.data.dataset import ArrayDataset
from firstlight.data.lazy import LazyArray
from firstlight.support.array import Array
from firstlight.support.backend import free_memory, to_device
from firstlight.support.forms import accelerated

SHARE = 0.25  # of the GPU's free memory, at most


class Resident:
    """An `ArrayDataset` on a GPU; its transform and the loader's are `Scale` or none.

    Parameters
    ----------
    data : ArrayDataset
    transform : firstlight.data.transforms.Scale or None
        The loader's.
    device : str
    """

    def __init__(self, data: ArrayDataset, transform: Any, device: str) -> None:
        self.device = device
        self.transforms = [t for t in (data.transform, transform) if t is not None]
        self.arrays = [to_device(array, device) for array in data.arrays]

    def order(self, places: Array) -> Array:
        """Return an epoch's order, an array of int, on the device."""
        return to_device(places.astype("int64", copy=False), self.device)

    def batch(self, places: Array) -> tuple[Array, ...]:
        """Return the samples at an array of indices on the device."""
        x, *others = self.arrays
        others = tuple(np.take(array, places, axis=0) for array in others)
        first, *more = self.transforms or [None]
        scale = getattr(first, "factor", None)
        if scale is not None and x.dtype.name in ("uint8", "float32"):
            batch = (self.take_scaled(x, places, scale), *others)
        else:
            batch, more = (np.take(x, places, axis=0), *others), self.transforms
        for transform in more:
            batch = transform(batch, None)
        return batch

    @accelerated
    def take_scaled(self, x: Array, places: Array, factor: float) -> Array:
        """Return ``x[places] * factor`` in float32."""
        return np.take(x, places, axis=0).astype("float32") * factor


def resident(data: Any, transform: Any, device: str) -> Resident | None:
    """Return a `Resident` of a data set, or None if it must stay on the host.

    It stays on the host if a transform is random or not a `Scale`, if samples are drawn or read
    from a file, or if they would take more than `SHARE` of the free memory.
    """
    if device == "cpu" or type(data) is not ArrayDataset:
        return None
    if not all(t is None or hasattr(t, "factor") for t in (data.transform, transform)):
        return None
    if any(isinstance(array, LazyArray) for array in data.arrays):
        return None
    if sum(array.nbytes for array in data.arrays) > SHARE * free_memory(device):
        return None
    return Resident(data, transform, device)
