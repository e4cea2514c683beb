"""McNemar's exact test, which tells whether two classifiers make different numbers of mistakes."""

from math import exp, lgamma, log

from firstlight.support.array import Array


def mcnemar(right_a: Array, right_b: Array) -> float:
    """Return the p-value of McNemar's exact test.

    Only the samples count that one model gets right and the other wrong. If both were equally good,
    each of these m samples would fall to one of them like a fair coin, and the number k of the
    rarer kind would be binomial::

        p = min(1, 2 Σ_{i ≤ k} (m choose i) / 2^m)

    Parameters
    ----------
    right_a, right_b : array of bool, shape (N,)
        For each test sample, whether each model is right.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", 1947; Dietterich, "Approximate Statistical Tests for Comparing Supervised
    Classification Learning Algorithms", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.metrics.mcnemar import mcnemar
    >>> a = np.array([1, 1, 1, 1, 1, 1, 1, 0], bool)
    >>> b = np.array([0, 0, 0, 0, 0, 0, 1, 0], bool)
    >>> round(mcnemar(a, b), 5)  # 6 to 0
    0.03125
    """
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    m, k = only_a + only_b, min(only_a, only_b)
    logs = [lgamma(m + 1) - lgamma(i + 1) - lgamma(m - i + 1) - m * log(2) for i in range(k + 1)]
    return min(1.0, 2 * sum(map(exp, logs)))
