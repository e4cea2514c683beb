"""Precision, Recall, F1, BalancedAccuracy, MatthewsCorrelation: functions of counts by class.

For each class c, over all samples that count::

    tp_c = samples of class c that are predicted as c        (true positives)
    p_c  = samples that are predicted as c
    t_c  = samples of class c

No confusion matrix is needed: these three are all that the metrics here depend on.
"""

import numpy as np

from firstlight.metrics.classes import by_sample, check_classes, counted
from firstlight.metrics.metric import SumMetric, mean, ratio
from firstlight.support.array import Array

AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


class ClassCounts(SumMetric):
    """Base class of metrics that are functions of tp, p and t."""

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return (tp_1 ... tp_C, p_1 ... p_C, t_1 ... t_C) of each sample."""
        check_classes(type(self).__name__, prediction, target)
        kept = counted(target)[..., None]  # (N, ..., 1)
        classes = np.arange(prediction.shape[-1], like=prediction)  # (C,)
        p = (prediction.argmax(axis=-1)[..., None] == classes) & kept  # (N, ..., C)
        t = target[..., None] == classes  # (N, ..., C)
        return by_sample(np.concatenate([p & t, p, t], axis=-1))  # (N, 3 C)

    def of_sums(self, sums: Array) -> Array:
        """Return the metric of counts (..., 3 C)."""
        tp, p, t = np.split(sums, 3, axis=-1)  # (..., C) each
        return self.of_counts(tp, p, t)

    def of_counts(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the metric of counts by class, (..., C) -> (...)."""
        raise NotImplementedError


class AveragedCounts(ClassCounts):
    """Base class of metrics of one class that are averaged over the classes.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}
        "binary" is the value of class 1, "macro" the mean over the classes that occur among labels
        or predictions, "weighted" their mean weighted by t_c; "micro" adds the counts of all
        classes first. "auto" is "binary" for two classes, "macro" for more. These are those of
        scikit-learn. A ratio 0 / 0 is 0 (``zero_division=0``).

    Raises
    ------
    ValueError
        Another average; "binary" for more than two classes.
    """

    def __init__(self, average: str = "auto") -> None:
        if average not in AVERAGES:
            raise ValueError(
                f"{type(self).__name__}: expected average as one of {', '.join(AVERAGES)}, got "
                f"{average!r}"
            )
        self.average = average
        if average != "auto":
            self.name: str = f"{type(self).name}_{average}"

    def of_counts(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the average over the classes."""
        average, classes = self.average, tp.shape[-1]
        if average == "auto":
            average = "binary" if classes == 2 else "macro"
        if average == "micro":
            return self.of_class(*(count.sum(axis=-1) for count in (tp, p, t)))
        values = self.of_class(tp, p, t)  # (..., C)
        if average == "binary":
            if classes != 2:
                raise ValueError(
                    f'{type(self).__name__}: average="binary" is for two classes, got {classes}; '
                    'use "macro", "micro" or "weighted"'
                )
            return values[..., 1]
        weights = t if average == "weighted" else (p + t > 0).astype("float64")  # (..., C)
        return mean((weights * values).sum(axis=-1), weights.sum(axis=-1))

    def of_class(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the value of each class."""
        raise NotImplementedError


class Precision(AveragedCounts):
    """Share of the samples predicted as a class that are of this class: tp / p."""

    def of_class(self, tp: Array, p: Array, t: Array) -> Array:
        """Return tp / p."""
        return ratio(tp, p)


class Recall(AveragedCounts):
    """Share of a class's samples that are predicted as this class: tp / t."""

    def of_class(self, tp: Array, p: Array, t: Array) -> Array:
        """Return tp / t."""
        return ratio(tp, t)


class F1(AveragedCounts):
    """Harmonic mean of precision and recall: 2 tp / (p + t).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.metrics import F1
    >>> f1 = F1("macro")
    >>> f1.update(np.eye(3)[[0, 0, 1]], np.array([0, 1, 1]))  # scores, labels
    >>> round(f1.compute(), 3)
    0.667
    """

    def of_class(self, tp: Array, p: Array, t: Array) -> Array:
        """Return 2 tp / (p + t)."""
        return ratio(2 * tp, p + t)


class BalancedAccuracy(ClassCounts):
    """Mean recall over the classes that have samples: Σ_c tp_c / t_c, divided by their number."""

    name = "balanced_accuracy"

    def of_counts(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the mean recall."""
        return mean(ratio(tp, t).sum(axis=-1), (t > 0).sum(axis=-1))


class MatthewsCorrelation(ClassCounts):
    """Correlation of labels and predictions, 0 for guessing, also with unequal classes.

    Formula, with n = Σ_c t_c samples::

        (n Σ tp_c - Σ p_c t_c) / √((n² - Σ p_c²) (n² - Σ t_c²))

    It is 0 if all labels, or all predictions, are of one class.

    References
    ----------
    Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
    """

    name = "mcc"

    def of_counts(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the correlation."""
        n = t.sum(axis=-1)  # (...)
        both = n * tp.sum(axis=-1) - (p * t).sum(axis=-1)
        of_p, of_t = (n**2 - (count**2).sum(axis=-1) for count in (p, t))
        return ratio(both, np.sqrt(of_p) * np.sqrt(of_t))
