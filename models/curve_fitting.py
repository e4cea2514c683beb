"""Experiments with polynomials in closed form: effect of degree, ridge and number of points.

Each returns arrays; `firstlight.tools.figures` draws them (`error_curves`, `fitted_curves`,
`coefficients`, `spread`).
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from firstlight.models.least_squares import column, least_squares, powers, rms_error
from firstlight.support.array import Array


class Sweep(NamedTuple):
    """Fits that differ in one hyper-parameter.

    Attributes
    ----------
    values : array, shape (K,)
        Values of the hyper-parameter.
    train, val : array, shape (K,)
        E_RMS on the training and validation points, see `rms_error`.
    weights : list of K arrays
        Weights of 1, x, …, x^M.
    """

    values: np.ndarray
    train: np.ndarray
    val: np.ndarray
    weights: list[Array]

    @property
    def best(self) -> int:
        """The index of the lowest validation error."""
        return int(np.argmin(self.val))


def degree_sweep(
    train: tuple[Any, Any],
    val: tuple[Any, Any],
    degrees: Iterable[int] = range(10),
    *,
    ridge: float = 0.0,
) -> Sweep:
    """Fit polynomials of several degrees.

    Parameters
    ----------
    train, val : (x, t)
        Training and validation points.
    degrees : iterable of int
    ridge : float
        λ of `least_squares`.

    Returns
    -------
    Sweep

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets.prml import T, X
    >>> from firstlight.models.curve_fitting import degree_sweep
    >>> grid = np.linspace(0, 1, 100)
    >>> degree_sweep((X, T), (grid, np.sin(2 * np.pi * grid)), [0, 1, 3, 9]).train.round(2)
    array([0.61, 0.46, 0.19, 0.  ])
    """
    degrees = np.array(list(degrees))
    fits = [least_squares(powers(train[0], m), train[1], ridge=ridge) for m in degrees]
    return _sweep(degrees, fits, train, val)


def ridge_sweep(
    train: tuple[Any, Any], val: tuple[Any, Any], log_ridges: Any, *, degree: int = 9
) -> Sweep:
    """Fit polynomials of one degree with several ridge penalties λ = exp(log_ridges)."""
    log_ridges = np.asarray(log_ridges, np.float64)
    phi = powers(train[0], degree)
    fits = [least_squares(phi, train[1], ridge=np.exp(log)) for log in log_ridges]
    return _sweep(log_ridges, fits, train, val)


def _sweep(values, fits, train, val):
    errors = [[rms_error(w, *points) for w in fits] for points in (train, val)]
    return Sweep(values, np.array(errors[0]), np.array(errors[1]), fits)


def learning_curve(
    train: tuple[Any, Any],
    val: tuple[Any, Any],
    sizes: Iterable[int],
    *,
    degree: int,
    ridge: float = 0.0,
    repeats: int = 50,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Fit random subsets of increasing size.

    Parameters
    ----------
    train, val : (x, t)
    sizes : iterable of int
        Numbers of points to fit, from 1 to all.
    degree : int
    ridge : float
    repeats : int
        Subsets of each size.
    rng : numpy.random.Generator

    Returns
    -------
    train, val : array, shape (sizes,)
        E_RMS, as the median over the subsets, which is robust against outliers.

    Raises
    ------
    ValueError
        A size that cannot be drawn.
    """
    x, t = (column("learning_curve", values) for values in train)
    errors = []  # (sizes, repeats, 2)
    for size in sizes:
        if not 1 <= size <= len(x):
            raise ValueError(f"learning_curve: expected sizes from 1 to {len(x)}, got {size}")
        draws = (rng.choice(len(x), size, replace=False) for _ in range(repeats))
        errors.append([_errors((x[i], t[i]), val, degree, ridge) for i in draws])
    return tuple(np.median(errors, axis=1).T)


def _errors(train, val, degree, ridge):
    w = least_squares(powers(train[0], degree), train[1], ridge=ridge)
    return rms_error(w, *train), rms_error(w, *val)


class BiasVariance(NamedTuple):
    """Bias and variance of fits to different noise, on a grid of G points.

    Attributes
    ----------
    predictions : array, shape (repeats, G)
        One fitted curve per row.
    bias2, variance : float
        Means over the grid, see `bias_variance`.
    """

    predictions: np.ndarray
    bias2: float
    variance: float


def bias_variance(
    function: Callable[[Array], Array],
    x: Any,
    grid: Any,
    *,
    degree: int,
    ridge: float = 0.0,
    noise: float = 0.3,
    repeats: int = 200,
    rng: np.random.Generator,
) -> BiasVariance:
    """Fit the same points with new noise many times, and decompose the error.

    Formula, with f_l the fit to data set l, f̄ their mean, h the true function (Bishop's
    eq. 3.45 – 3.47), means over the grid::

        bias²    = mean_x (f̄(x) - h(x))²
        variance = mean_x mean_l (f_l(x) - f̄(x))²
        expected squared error at new points = bias² + variance + noise²

    Parameters
    ----------
    function : callable
        h, of an array.
    x, grid : array, shape (N,) and (G,)
        Training points, and points of comparison.
    degree : int
    ridge : float
    noise : float
        Standard deviation.
    repeats : int
        Number of data sets.
    rng : numpy.random.Generator

    Returns
    -------
    BiasVariance
    """
    x, grid = column("bias_variance", x), column("bias_variance", grid)
    phi, t = powers(x, degree), function(x)  # (N, M + 1), (N,)
    noisy = t + rng.normal(0, noise, (repeats, len(x)))  # (repeats, N)
    weights = np.array([least_squares(phi, row, ridge=ridge) for row in noisy])
    predictions = weights @ powers(grid, degree).T  # (repeats, G)
    mean = predictions.mean(axis=0)  # (G,)
    bias2 = np.mean((mean - function(grid)) ** 2)
    return BiasVariance(predictions, float(bias2), float(predictions.var(axis=0).mean()))
