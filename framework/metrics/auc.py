"""AUC: the area under the ROC curve."""

from __future__ import annotations

from typing import Self

import numpy as np

from firstlight.metrics.classes import check_classes, counted
from firstlight.metrics.metric import Metric
from firstlight.support.array import Array
from firstlight.support.backend import to_host


class AUC(Metric):
    """Area under the ROC curve: how often a positive sample has a higher score than a negative one.

    Formula, over all pairs of a positive sample i and a negative one j, with scores s::

        AUC = (pairs with s_i > s_j  +  half the pairs with s_i = s_j) / all pairs

    Two classes have the score s = x₁ - x₀, the difference of their logits. Of more classes each is
    compared with all others, with its softmax probability as s, and AUC is the mean over them
    (one-vs-rest, macro). It is NaN if a class has no sample, as for scikit-learn.

    It is exact, and so keeps all scores: 8 bytes for each sample and class in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.metrics import AUC
    >>> auc = AUC()
    >>> auc.update(np.array([[0, 0.1], [0, 0.4], [0, 0.35], [0, 0.8]]), np.array([0, 0, 1, 1]))
    >>> auc.compute()
    0.75
    """

    def __init__(self) -> None:
        self.scores: list[Array] = []
        self.labels: list[Array] = []
        self.weights: list[Array | None] = []  # None for a batch without weights

    def update(self, prediction: Array, target: Array, sample_weight: Array | None = None) -> None:
        """Keep the scores, labels and weights of a batch."""
        check_classes("AUC", prediction, target)
        self.scores.append(prediction.reshape(-1, prediction.shape[-1]).copy())  # (N, C)
        self.labels.append(target.reshape(-1).copy())  # (N,)
        w = None if sample_weight is None else sample_weight.astype("float64")
        self.weights.append(None if w is None else np.repeat(w, target.size // len(w)))  # (N,)

    def merge(self, other: Self) -> None:
        """Take over the scores, labels and weights of another rank."""
        self.scores += other.scores
        self.labels += other.labels
        self.weights += other.weights

    def compute(self) -> float:
        """Return the area."""
        self.to_host()
        if not self.scores:
            return float("nan")
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        if all(w is None for w in self.weights):
            return float(area(*class_scores(scores, labels)))
        pairs = zip(self.weights, self.labels, strict=True)
        weights = np.concatenate([np.ones(len(y)) if w is None else w for w, y in pairs])
        return float(area(*class_scores(scores, labels), weights[None, counted(labels)])[0])


def class_scores(prediction: Array, target: Array) -> tuple[Array, Array]:
    """Return the scores (N, K) of K one-vs-rest problems, and which samples are positive (N, K).

    Rows whose label does not count are left out. K is 1 for two classes.
    """
    x = to_host(prediction).astype("float64").reshape(-1, prediction.shape[-1])  # (N, C)
    labels = to_host(target).reshape(-1)  # (N,)
    x, labels = x[counted(labels)], labels[counted(labels)]
    if x.shape[1] == 2:
        return x[:, 1:] - x[:, :1], labels[:, None] == 1
    powers = np.exp(x - x.max(axis=1, keepdims=True))  # (N, C)
    return powers / powers.sum(axis=1, keepdims=True), labels[:, None] == np.arange(x.shape[1])


def area(scores: Array, positive: Array, weights: Array | None = None) -> Array:
    """Return the mean area under the ROC curve of K problems.

    Parameters
    ----------
    scores : array, shape (N, K)
    positive : array of bool, shape (N, K)
    weights : array, shape (R, N), optional
        How often each sample counts, in R resamples; once by default. Or weights, with R = 1.

    Returns
    -------
    float or array of shape (R,)
    """
    w = np.ones((1, len(scores))) if weights is None else weights  # (R, N)
    total = np.zeros(len(w))
    for s, of_class in zip(scores.T, positive.T, strict=True):
        order = np.argsort(s, kind="stable")
        first = np.flatnonzero(np.diff(s[order], prepend=-np.inf))  # of each group of equal scores
        if not len(first) or first[0]:
            first = np.r_[0, first]  # scores of -inf
        sorted_w = w[:, order]
        p = np.add.reduceat(sorted_w * of_class[order], first, axis=1)  # (R, groups)
        n = np.add.reduceat(sorted_w, first, axis=1) - p
        below = np.cumsum(n, axis=1) - n / 2  # negatives below, and half of the equal ones
        pairs = p.sum(axis=1) * n.sum(axis=1)
        with np.errstate(invalid="ignore"):
            total += (p * below).sum(axis=1) / pairs  # 0 / 0 is NaN
    total /= scores.shape[1]
    return total[0] if weights is None else total
