"""Samples: up to some thousand inputs and labels of a data set, as evidence."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence

ROWS = 4000  # samples that are looked at


@dataclass
class Samples(Evidence):
    """Samples of the training and the validation data.

    Attributes
    ----------
    x, y, val : array or None
        Inputs and labels of the training, and inputs of the validation.
    """

    x: Array
    y: Array | None = None
    val: Array | None = None
    group = where = "data"
    subject = "samples"

    @classmethod
    def of(cls, data: Any) -> "Samples | None":
        """Return the samples of `DataSplits`, a tuple of arrays or a loader, None if unknown."""
        train = data.train if isinstance(data, DataSplits) else getattr(data, "data", data)
        x, y = first_samples_of(train)
        if x is None or not len(x):
            return None
        val = data.val if isinstance(data, DataSplits) else None
        apart = val is not None and x[0].size > 1 and not hasattr(data.train, "draw")
        return cls(x, y, first_samples_of(val)[0] if apart else None)

    @property
    def has_classes(self) -> bool:
        """Whether each sample has one integer label."""
        y = self.y
        return y is not None and y.ndim == 1 and y.dtype.kind in "iu" and len(y) == len(self.x)


def first_samples_of(data: Any) -> tuple[Any, Any]:
    """Return ``(x, y)`` of up to `ROWS` samples, the same ones each time; None if unavailable."""

    def chosen(length):
        return np.sort(np.random.default_rng(0).permutation(length)[:ROWS])

    if isinstance(data, tuple):
        rows = chosen(len(data[0]))
        x, y = data[0], data[1] if len(data) > 1 else None
        return np.asarray(x)[rows], None if y is None else np.asarray(y)[rows]
    if isinstance(data, list) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        return None, None
    batch = data[chosen(len(data))]
    if not isinstance(batch, tuple) or not isinstance(batch[0], np.ndarray):
        return None, None
    return batch[0], batch[1] if len(batch) > 1 else None
