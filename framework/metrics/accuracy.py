"""Accuracy and TopK: the share of samples whose label has the highest score, or one of the k."""

import numpy as np

from firstlight.metrics.classes import by_sample, check_classes, counted
from firstlight.metrics.metric import SumMetric, mean
from firstlight.support.array import Array


class Accuracy(SumMetric):
    """Share of samples whose label has the highest score; of equal scores the first counts.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.metrics import Accuracy
    >>> accuracy = Accuracy()
    >>> accuracy.update(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    >>> accuracy.compute()
    0.5
    """

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return (right, 1) for each sample; (0, 0) where the label does not count."""
        check_classes("Accuracy", prediction, target)
        right = prediction.argmax(axis=-1) == target  # (N, ...)
        return by_sample(np.stack([right, counted(target)], axis=-1))  # (N, 2)

    def of_sums(self, sums: Array) -> Array:
        """Return right / all."""
        return mean(sums[..., 0], sums[..., 1])


class TopK(SumMetric):
    """Share of samples whose label is among the k classes with the highest scores.

    Of equal scores the last class counts as the highest, as in scikit-learn's
    ``top_k_accuracy_score``. So ``TopK(1)`` differs from `Accuracy` where scores are equal.

    Parameters
    ----------
    k : int

    Raises
    ------
    ValueError
        k is not positive.
    """

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ValueError(f"TopK: expected k of 1 or more, got {k}")
        self.k = k
        self.name: str = f"top{k}"

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return (label among the k highest, 1) for each sample."""
        check_classes("TopK", prediction, target)
        kept, label = counted(target), np.maximum(target, 0)[..., None]  # (N, ...), (N, ..., 1)
        own = np.take_along_axis(prediction, label.astype("int64"), axis=-1)  # (N, ..., 1)
        later = np.arange(prediction.shape[-1], like=prediction) > label  # (N, ..., C)
        above = (prediction > own) | ((prediction == own) & later)  # (N, ..., C)
        hit = (above.sum(axis=-1) < self.k) & kept  # (N, ...)
        return by_sample(np.stack([hit, kept], axis=-1))  # (N, 2)

    def of_sums(self, sums: Array) -> Array:
        """Return hits / all."""
        return mean(sums[..., 0], sums[..., 1])
