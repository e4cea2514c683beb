"""Perplexity: how many equally likely classes a prediction amounts to."""

import numpy as np

from firstlight.metrics.classes import by_sample, check_classes, counted
from firstlight.metrics.metric import SumMetric, mean
from firstlight.support.array import Array


class Perplexity(SumMetric):
    """Exponential of the mean negative log-probability of the labels.

    Formula, over all rows n whose label t_n counts, with the softmax probabilities p::

        exp(-Σ_n log p_ntₙ / N)

    It is not the mean of the batches' perplexities. Class weights and label smoothing of the loss
    do not change it.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.metrics import Perplexity
    >>> perplexity = Perplexity()
    >>> perplexity.update(np.zeros((2, 27)), np.array([3, 5]))  # any of 27 letters
    >>> round(perplexity.compute(), 9)
    27.0
    """

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return (-log p, 1) of each sample."""
        check_classes("Perplexity", prediction, target)
        kept, label = counted(target), np.maximum(target, 0)[..., None]  # (N, ...), (N, ..., 1)
        x = prediction.astype("float64")  # (N, ..., C)
        x = x - x.max(axis=-1, keepdims=True)
        own = np.take_along_axis(x, label.astype("int64"), axis=-1)[..., 0]  # (N, ...)
        nll = np.where(kept, np.log(np.exp(x).sum(axis=-1)) - own, 0)  # (N, ...)
        return by_sample(np.stack([nll, kept], axis=-1))  # (N, 2)

    def of_sums(self, sums: Array) -> Array:
        """Return exp of the mean."""
        return np.exp(mean(sums[..., 0], sums[..., 1]))
