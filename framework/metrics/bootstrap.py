"""Bootstrap: how far a metric would vary with other test samples and other seeds.

A test set of n samples is one draw of the samples that might have been tested. The bootstrap draws
n of the n samples with replacement, many times, and computes the metric of each draw. The middle 95
% of these values are the 95 % interval (the percentile interval).

Several models are tested on the same draws, so that what makes a sample hard for all of them
cancels in their difference: the comparison is *paired*.

Several seeds of one setting are the second level. Three to five seeds are too few to be drawn with
replacement themselves: such intervals are too short (docs/decisions.md has figures). Their mean is
drawn from its t distribution instead::

    value = mean over seeds of the metric of a draw of samples  +  s / √S · t        t ~ t(S - 1)

with the standard deviation s over the S seeds, less the part that the samples explain.

References
----------
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 8.
Bonett and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
on Paired Data", 2012.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firstlight.metrics.auc import AUC, area, class_scores
from firstlight.metrics.metric import Metric, SumMetric
from firstlight.support.array import Array

RESAMPLES = 10_000
LEVEL = 0.95
BLOCK = 640_000  # draws at a time: 5 MB
Samples = tuple[Array, Array]  # prediction and target of a test


def sums(terms: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Return the sums of terms (n, D) over draws of n samples, shape (resamples, D).

    Samples with equal terms, such as all that are right, are drawn together: their numbers follow
    a multinomial distribution. This is the same distribution, and takes milliseconds.
    """
    n = len(terms)
    rows, counts = np.unique(terms, axis=0, return_counts=True)  # (K, D), (K,)
    if len(rows) * 30 < n or len(rows) == 1:
        return rng.multinomial(n, counts / n, size=resamples) @ rows
    found = np.tile(n * terms[0].astype("float64"), (resamples, 1))  # of columns that are constant
    columns = {d: column.copy() for d, column in enumerate(terms.T) if (column != column[0]).any()}
    step = max(BLOCK // n, 1)
    for start in range(0, resamples, step):
        index = rng.integers(n, size=(min(step, resamples - start), n))
        for d, column in columns.items():
            found[start : start + step, d] = column.take(index).sum(axis=1)
    return found


def weights(n: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return how often each of n samples is drawn, shape (resamples, n)."""
    index = rng.integers(n, size=(resamples, n)) + np.arange(resamples)[:, None] * n
    return np.bincount(index.ravel(), minlength=resamples * n).reshape(resamples, n)


def values(
    metric: Metric,
    tests: Sequence[Samples],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Array, Array]:
    """Return a metric of several models on the same draws of test samples.

    Parameters
    ----------
    metric : SumMetric or AUC
    tests : list of (prediction, target)
        One for each model, of the same samples in the same order.
    rng : numpy.random.Generator
    resamples : int
        Draws; of AUC, which sorts all scores, a tenth.

    Returns
    -------
    estimates : array, shape (models,)
    values : array, shape (models, resamples)

    Raises
    ------
    TypeError
        The metric is of another kind: it cannot be computed of draws.
    """
    if isinstance(metric, SumMetric):
        return values_of_terms(metric, [metric.terms(*test) for test in tests], rng, resamples)
    if not isinstance(metric, AUC):
        raise TypeError(
            f"bootstrap: expected a SumMetric or AUC, got {type(metric).__name__}; derive it from "
            "SumMetric to get intervals"
        )
    found = [class_scores(*test) for test in tests]
    n, step = len(found[0][0]), max(4 * BLOCK // max(len(found[0][0]), 1), 1)
    blocks = []
    for start in range(0, resamples // 10, step):
        drawn = weights(n, min(step, resamples // 10 - start), rng)
        blocks.append([area(*one, drawn) for one in found])
    return np.array([area(*one) for one in found]), np.concatenate(blocks, axis=1)


def values_of_terms(
    metric: SumMetric,
    terms: Sequence[Array],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Array, Array]:
    """Return a metric of several models, as `values` does, of the terms (n, D) of each."""
    estimates = np.array([float(metric.of_sums(one.sum(axis=0))) for one in terms])
    drawn = sums(np.concatenate(terms, axis=1), resamples, rng)  # (R, models D)
    parts = np.split(drawn, len(terms), axis=1)
    return estimates, np.array([metric.of_sums(part) for part in parts])


def over_seeds(estimates: Array, drawn: Array, rng: np.random.Generator) -> Array:
    """Return draws of the mean over seeds: of samples, and of seeds if there are several.

    Parameters
    ----------
    estimates : array, shape (S,)
        The metric of each seed's model.
    drawn : array, shape (S, R)
        The metric on draws of samples.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (R,)
    """
    mean, seeds = drawn.mean(axis=0), len(estimates)  # (R,)
    if seeds == 1:
        return mean
    of_samples = (drawn - mean).var(axis=1).sum() / (seeds - 1)
    s = np.sqrt(max(estimates.var(ddof=1) - of_samples, 0))
    return mean + s / np.sqrt(seeds) * rng.standard_t(seeds - 1, size=len(mean))


def interval(drawn: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle share of draws as ``(low, high)``; draws of NaN are left out."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def smoothed(terms: Sequence[Array]) -> list[Array]:
    """Add samples to the terms (right, 1) of one model, or of two, that keep intervals honest.

    With few mistakes the bootstrap's interval is too short: of none it has the length 0. For one
    model two samples are added that are right and two that are wrong (Agresti and Coull, 1998);
    for two models one on which only the first is right, and one on which only the second is
    (Bonett and Price, 2012).
    """
    if len(terms) == 1:
        right = [[1, 1, 0, 0]]
    elif len(terms) == 2:
        right = [[1, 0], [0, 1]]
    else:
        return list(terms)
    return [
        np.concatenate([one, np.stack([added, np.ones(len(added))], axis=1)])
        for one, added in zip(terms, right, strict=True)
    ]
