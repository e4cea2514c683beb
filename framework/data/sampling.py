"""WeightedDataset: draw training samples with probabilities, e.g. each class equally often."""

from typing import Any

import numpy as np

from firstlight.data.dataset import ArrayDataset
from firstlight.support.array import Array


class WeightedDataset(ArrayDataset):
    """Samples that are drawn for training in proportion to their weights, with replacement.

    An epoch draws as many samples as there are. Sample i of N is drawn each time with probability::

        p_i = w_i / Σ_j w_j

    Taken by index, as in an evaluation, the samples are those of the data set.

    Parameters
    ----------
    data : ArrayDataset, or tuple of arrays
    weights : array_like, shape (N,), or "balanced"
        0 or more; "balanced" is one over the number of samples of the class, so that each class is
        drawn equally often.

    Raises
    ------
    ValueError
        Weights of another length, below 0, not finite, or all 0; "balanced" without class labels.
    TypeError
        Data that are no arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import WeightedDataset
    >>> y = np.array([0] * 90 + [1] * 10)
    >>> data = WeightedDataset((np.zeros((100, 2)), y), "balanced")
    >>> _, drawn = data.draw(1000, np.random.default_rng(0))
    >>> np.bincount(drawn).tolist()
    [473, 527]
    """

    def __init__(self, data: Any, weights: Any = "balanced") -> None:
        data = ArrayDataset(*data) if isinstance(data, tuple) else data
        if not isinstance(data, ArrayDataset):
            raise TypeError(
                f"WeightedDataset: expected an ArrayDataset, or a tuple of arrays, got "
                f"{type(data).__name__}"
            )
        self.name: str = data.name
        self.dtype: str = data.dtype
        self.transform: Any = data.transform
        self.arrays: tuple[Array, ...] = data.arrays
        if isinstance(weights, str):
            weights = self._balanced(weights)
        weights = np.asarray(weights, "float64")
        if weights.shape != (len(data),):
            raise ValueError(
                f"WeightedDataset: expected a weight for each of {len(data)} samples, got shape "
                f"{weights.shape}"
            )
        total = weights.sum()
        if not (np.isfinite(total) and weights.min() >= 0 and total > 0):
            raise ValueError("WeightedDataset: expected finite weights of 0 or more, not all 0")
        self.weights: Array = weights
        ends = np.cumsum(weights)
        self._ends = ends / ends[-1]  # (N,): sample i has the numbers from end i - 1 to end i

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Return samples drawn with the probabilities of their weights."""
        return self[np.searchsorted(self._ends, rng.random(count), side="right")]

    def _balanced(self, kind):
        y = self.arrays[1] if len(self.arrays) > 1 else None
        if kind != "balanced" or y is None or y.ndim != 1 or y.dtype.kind not in "biu":
            raise ValueError(
                'WeightedDataset: expected weights (N,), or "balanced" and class labels as the '
                f"second array, got {kind!r} and {self!r}"
            )
        _, label, count = np.unique(y, return_inverse=True, return_counts=True)
        return 1 / count[label]
