"""MAE, MSE, RMSE and R2: errors of predicted numbers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from firstlight.metrics.metric import SumMetric, mean
from firstlight.support.array import Array
from firstlight.support.backend import to_host


def errors(who: str, prediction: Array, target: Array) -> Array:
    """Return prediction - target in float64, shape (N, outputs); check the shapes."""
    if prediction.shape != target.shape or not prediction.ndim:
        raise ValueError(
            f"{who}: expected predictions and targets of one shape (N, ...), got "
            f"{prediction.shape} and {target.shape}; it is a metric of predicted numbers"
        )
    return (prediction.astype("float64") - target).reshape(len(target), -1)


class MAE(SumMetric):
    """Mean absolute error: Σ |x - y| / N, over all samples and outputs."""

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return (|x - y|, 1) of each sample."""
        e = np.abs(errors("MAE", prediction, target)).mean(axis=1)  # (N,)
        return np.stack([e, np.ones_like(e)], axis=1)  # (N, 2)

    def of_sums(self, sums: Array) -> Array:
        """Return the mean."""
        return mean(sums[..., 0], sums[..., 1])


class MSE(SumMetric):
    """Mean squared error: Σ (x - y)² / N, over all samples and outputs."""

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return ((x - y)², 1) of each sample."""
        e = (errors(type(self).__name__, prediction, target) ** 2).mean(axis=1)  # (N,)
        return np.stack([e, np.ones_like(e)], axis=1)  # (N, 2)

    def of_sums(self, sums: Array) -> Array:
        """Return the mean."""
        return mean(sums[..., 0], sums[..., 1])


class RMSE(MSE):
    """Root of the mean squared error, in the unit of the target."""

    def of_sums(self, sums: Array) -> Array:
        """Return the root of the mean."""
        return np.sqrt(super().of_sums(sums))


class R2(SumMetric):
    """Coefficient of determination: the share of the target's variance that is predicted.

    Formula, for each output, of which the mean is taken::

        R² = 1 - Σ (x - y)² / Σ (y - ȳ)²

    A constant target has R² = 1 if it is predicted exactly, else 0, as for scikit-learn. With less
    than two samples it is NaN.

    Notes
    -----
    Σ y² - N ȳ² would lose digits if ȳ is large. The batches' means and squared deviations are
    merged instead, which is exact for any ȳ (Chan et al., "Algorithms for Computing the Sample
    Variance", 1983, equation 2.1)::

        M = M_a + M_b + δ² N_a N_b / (N_a + N_b)        δ = ȳ_b - ȳ_a
    """

    def __init__(self) -> None:
        self.samples = 0
        self.count: Any = 0  # N, or the sum of the samples' weights
        self.residual: Any = 0.0  # (outputs,)  Σ (x - y)²
        self.mean: Any = 0.0  # (outputs,)  ȳ
        self.deviation: Any = 0.0  # (outputs,)  M = Σ (y - ȳ)²

    def update(self, prediction: Array, target: Array, sample_weight: Array | None = None) -> None:
        """Add the squared errors and deviations of a batch, times the weights of its samples."""
        e = errors("R2", prediction, target)  # (N, outputs)
        y = target.astype("float64").reshape(e.shape)  # (N, outputs)
        if not len(y):
            return
        self.samples += len(y)
        if sample_weight is None:
            centre = y.mean(axis=0)
            self._add(len(y), (e**2).sum(axis=0), centre, ((y - centre) ** 2).sum(axis=0))
        else:
            w = sample_weight.astype("float64")[:, None]  # (N, 1)
            total = w.sum()
            centre = (w * y).sum(axis=0) / (total + (total == 0))
            deviation = (w * (y - centre) ** 2).sum(axis=0)
            self._add(total, (w * e**2).sum(axis=0), centre, deviation)

    def merge(self, other: Self) -> None:
        """Add the squared errors and deviations of another rank."""
        if other.samples:
            self.samples += other.samples
            self._add(other.count, other.residual, other.mean, other.deviation)

    def _add(self, count, residual, centre, deviation):
        total, delta = self.count + count, centre - self.mean
        divisor = total + (total == 0)  # no `if`: weights may be on a device
        self.deviation = self.deviation + deviation + delta**2 * (self.count * count / divisor)
        self.mean = self.mean + delta * (count / divisor)
        self.residual, self.count = self.residual + residual, total

    def compute(self) -> float:
        """Return R²."""
        residual, deviation = to_host(self.residual), to_host(self.deviation)
        return float(_r2(residual, deviation, self.samples if to_host(self.count) else 0))

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return ((x - y)², y - c, (y - c)², 1) of each sample, with c the mean of all given."""
        e = errors("R2", prediction, target)  # (N, outputs)
        y = target.astype("float64").reshape(e.shape)
        y = y - y.mean(axis=0)
        return np.concatenate([e**2, y, y**2, np.ones_like(y)], axis=1)  # (N, 4 outputs)

    def of_sums(self, sums: Array) -> Array:
        """Return R² of sums of `terms`."""
        residual, y, y2, count = np.split(sums, 4, axis=-1)  # (..., outputs) each
        deviation = np.maximum(y2 - y**2 / count, 0)
        return _r2(residual, deviation, count[..., 0])


def _r2(residual, deviation, count):
    """Return R² of squared errors and deviations, (..., outputs) -> (...)."""
    flat = deviation == 0
    r2 = 1 - residual / np.where(flat, 1, deviation)
    r2 = np.where(flat, np.where(residual == 0, 1.0, 0.0), r2)
    return np.where(np.asarray(count) < 2, np.nan, r2.mean(axis=-1) if r2.ndim else r2)
