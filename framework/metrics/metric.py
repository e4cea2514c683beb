"""Metric and SumMetric: base classes of metrics that are computed from all predictions at once."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import to_host


class Metric:
    """A number about all predictions of an evaluation, such as the F1 score.

    It is no mean over batches: `update` adds the predictions of a batch to its state, `merge` adds
    the state of another rank, and `compute` returns the number. For metrics of your own implement
    these three; keep arrays on the device in `update`, and copy what the next batch may overwrite.
    An argument ``sample_weight`` of `update`, shape (N,), gets the weights of batches (x, y, w).

    Attributes
    ----------
    name : str
        Name under which it is logged, after ``val_`` or ``test_``; by default that of the class in
        lower case.
    """

    name: str

    def __init_subclass__(cls) -> None:
        """Name a class that names itself not."""
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    def update(self, prediction: Array, target: Array) -> None:
        """Add the predictions and targets of a batch.

        Parameters
        ----------
        prediction : array, shape (N, ..., C) or (N, ...)
            Scores of C classes, or numbers. Binary logits are given as two scores, 0 and the logit.
        target : array, shape (N, ...)
            Labels, -1 where a row does not count, or numbers.
        """
        raise NotImplementedError(f"{type(self).__name__}.update(prediction, target) is missing")

    def merge(self, other: Self) -> None:
        """Add the state of the same metric on another rank; its arrays are NumPy arrays."""
        raise NotImplementedError(f"{type(self).__name__}.merge(other) is missing")

    def compute(self) -> float:
        """Return the number; NaN if it is not defined."""
        raise NotImplementedError(f"{type(self).__name__}.compute() is missing")

    def to_host(self) -> Self:
        """Copy the arrays of the state, also those in lists, to the host; return the metric."""
        for name, value in vars(self).items():
            if hasattr(value, "get") and hasattr(value, "ndim"):
                setattr(self, name, to_host(value))
            elif isinstance(value, list):
                setattr(self, name, [to_host(v) if hasattr(v, "ndim") else v for v in value])
        return self


class SumMetric(Metric):
    """A metric that is a function of sums over the samples.

    Formula, with a row of terms a_n for each sample n::

        s = Σ_n a_n              metric = f(s)

    The accuracy, for example, has the terms (right, 1) and f(s) = s₁ / s₂. Sums are kept in
    float64, in which counts are exact, on the device of the predictions.

    Subclasses implement `terms` and `of_sums`.
    """

    sums: Any = 0

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return the terms of each sample, float64 of shape (N, D)."""
        raise NotImplementedError(f"{type(self).__name__}.terms(prediction, target) is missing")

    def of_sums(self, sums: Array) -> Array:
        """Return the metric of sums (..., D), shape (...)."""
        raise NotImplementedError(f"{type(self).__name__}.of_sums(sums) is missing")

    def update(self, prediction: Array, target: Array, sample_weight: Array | None = None) -> None:
        """Add the terms of a batch, times the weights of its samples."""
        terms = self.terms(prediction, target)  # (N, D)
        if sample_weight is not None:
            terms = sample_weight.astype("float64")[:, None] * terms
        self.sums = self.sums + terms.sum(axis=0)  # (D,)

    def merge(self, other: Self) -> None:
        """Add the sums of another rank."""
        self.sums = self.sums + other.sums

    def compute(self) -> float:
        """Return the metric; NaN if there was no sample."""
        sums = to_host(self.sums)
        return float(self.of_sums(sums)) if np.ndim(sums) else float("nan")


def ratio(a: Array, b: Array) -> Array:
    """Return a / b, and 0 where b is 0."""
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1, b))


def mean(a: Array, b: Array) -> Array:
    """Return a / b, and NaN where b is 0: a mean of nothing."""
    return np.where(b == 0, np.nan, a / np.where(b == 0, 1, b))
