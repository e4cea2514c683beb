"""polynomial: noisy points on a curve, to fit polynomials to."""

from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support import rng as randomness

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sine": lambda x: np.sin(2 * np.pi * x),
    "cosine": lambda x: np.cos(2 * np.pi * x),
    "line": lambda x: 2 * x - 1,
    "parabola": lambda x: 4 * (x - 0.5) ** 2,
    "step": lambda x: np.sign(x - 0.5),
    "runge": lambda x: 1 / (1 + 25 * (2 * x - 1) ** 2),
}


def polynomial(
    *,
    n_train: int = 10,
    n_val: int = 20,
    n_test: int = 100,
    function: str | Callable = "sine",
    noise: float = 0.3,
    seed: int = 0,
    batch_size: int | None = None,
) -> DataSplits:
    """Make points on a curve with Gaussian noise, for curve fitting.

    Formula, with x evenly spaced from 0 to 1 in each split::

        y = f(x) + ε        ε ~ N(0, noise²)        x (N, 1), y (N, 1)

    Parameters
    ----------
    n_train : int
        Points to fit; with few of them high degrees overfit.
    n_val : int
        Points to validate on; 0 leaves them out.
    n_test : int
        Points to test on; 0 leaves them out.
    function : str or callable
        f: sine, cosine (one period), line, parabola, step or runge (1/(1 + 25u²), u = 2x - 1); or
        a function of an array of points.
    noise : float
        Standard deviation of the noise.
    seed : int
        Fixes the noise; each split has noise of its own.
    batch_size : int, optional
        Points in a batch; 32, or all points if there are fewer.

    Returns
    -------
    DataSplits

    Raises
    ------
    ValueError
        No training points, negative noise, or an unknown function.

    References
    ----------
    C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, section 1.1 and appendix A.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> x, y = next(iter(load("polynomial").loader("train")))
    >>> x.shape, y.shape
    ((10, 1), (10, 1))
    """
    if n_train < 1 or n_val < 0 or n_test < 0:
        raise ValueError(
            "polynomial: expected n_train of 1 or more, n_val and n_test of 0 or more, "
            f"got {n_train}, {n_val} and {n_test}"
        )
    if not noise >= 0:
        raise ValueError(f"polynomial: expected noise of 0 or more, got {noise}")
    f = FUNCTIONS.get(function, function) if isinstance(function, str) else function
    if not callable(f):
        raise ValueError(
            f"polynomial: expected a function among {', '.join(FUNCTIONS)}, or one of your own "
            f"such as np.exp, got {function!r}"
        )

    def points(count, split):
        x = np.linspace(0, 1, count)[:, np.newaxis]  # (N, 1)
        epsilon = randomness.derived("split", seed, split).normal(0, noise, x.shape)
        return x, f(x) + epsilon

    return DataSplits(
        train=points(n_train, 0),
        val=points(n_val, 1) if n_val else None,
        test=points(n_test, 2) if n_test else None,
        name="polynomial",
        batch_size=batch_size,
    )
