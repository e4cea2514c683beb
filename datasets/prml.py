"""prml: the ten points of Bishop's first chapter."""

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support.array import Array

X: Array = np.linspace(0, 1, 10)
_FIRST = [0.349486, 0.830839, 1.007332, 0.971507, 0.133066]
T: Array = np.array([*_FIRST, 0.166823, -0.848307, -0.445686, -0.563567, 0.261502])


def prml(*, n_test: int = 100, batch_size: int | None = None) -> DataSplits:
    """Return the noisy sine of "Pattern Recognition and Machine Learning", figure 1.2.

    Ten points at x = 0, 1/9, …, 1 of a sine with noise of standard deviation 0.3, as published with
    the book. The test points are on the sine without noise, as the book's were not published.
    Batches are float32; `X` and `T` in this module are the same points in float64, for which least
    squares gives the book's table 1.1.

    Parameters
    ----------
    n_test : int
        Points of the sine to test on, evenly spaced from 0 to 1; 0 leaves them out.
    batch_size : int, optional
        Points in a batch; all ten by default.

    Returns
    -------
    DataSplits

    Raises
    ------
    ValueError
        A negative number of points.

    References
    ----------
    C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, section 1.1 and appendix A.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> x, y = load("prml").train.arrays
    >>> x.shape, y.shape
    ((10, 1), (10, 1))
    """
    if n_test < 0:
        raise ValueError(f"prml: expected n_test of 0 or more, got {n_test}")
    x = np.linspace(0, 1, n_test)[:, np.newaxis]  # (N, 1)
    return DataSplits(
        train=(X[:, np.newaxis], T[:, np.newaxis]),
        test=(x, np.sin(2 * np.pi * x)) if n_test else None,
        name="prml",
        batch_size=batch_size,
    )
