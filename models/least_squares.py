"""least_squares: the weights of a linear model in closed form, with an optional ridge penalty.

`firstlight.models.Polynomial` solves the same problem by gradient descent.
"""

from typing import Any

import numpy as np

from firstlight.support.array import Array


def powers(x: Any, degree: int) -> Array:
    """Return the powers 1, x, …, x^M of points as columns: the design matrix of a polynomial.

    Parameters
    ----------
    x : array, shape (N,) or (N, 1)
    degree : int
        M, 0 or more.

    Returns
    -------
    array of float64, shape (N, M + 1)

    Raises
    ------
    ValueError
        A negative degree, or x that is not one number a sample.

    Examples
    --------
    >>> from firstlight.models.least_squares import powers
    >>> powers([1.0, 2.0, 3.0], 2)
    array([[1., 1., 1.],
           [1., 2., 4.],
           [1., 3., 9.]])
    """
    if degree < 0:
        raise ValueError(f"powers: expected a degree of 0 or more, got {degree}")
    return np.vander(column("powers", x), degree + 1, increasing=True)


def least_squares(phi: Any, t: Any, *, ridge: float = 0.0, method: str = "svd") -> Array:
    """Return the weights w that minimise |Φw - t|².

    Formula (Bishop's eq. 1.2, and with λ = ridge eq. 1.4)::

        E(w) = 1/2 |Φw - t|² + λ/2 |w|²         Φ (N, M), w (M,), t (N,)

    At the minimum, the gradient is zero::

        dE/dw = Φᵀ(Φw - t) + λw = 0             hence (ΦᵀΦ + λI) w = Φᵀt

    These normal equations square the condition of Φ: for ten points and degree 9 it is 1.5e7, and
    2e14 afterwards. Two alternatives avoid that, with I the identity of size M::

        QR    of [Φ; √λ I] = QR:        R w = Qᵀ [t; 0]
        SVD   of Φ = U diag(s) Vᵀ:      w = V diag(s / (s² + λ)) Uᵀ t

    Parameters
    ----------
    phi : array, shape (N, M)
        Φ, one row a sample.
    t : array, shape (N,) or (N, 1)
        Targets.
    ridge : float
        λ ≥ 0, for a sum over the samples; a loss that is a mean has λ / N instead.
    method : {"svd", "qr"}
        The SVD also works for linearly dependent columns: it returns the shortest w.

    Returns
    -------
    array of float64, shape (M,)

    Raises
    ------
    ValueError
        Wrong shapes, a negative ridge, an unknown method, values that are not finite; with "qr",
        linearly dependent columns if ridge is 0.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, section 1.1.
    Golub & Van Loan, "Matrix Computations", 4th ed., 2013, sections 5.3 and 6.1.

    Examples
    --------
    >>> from firstlight.models.least_squares import least_squares, powers
    >>> least_squares(powers([0.0, 1.0, 2.0], 1), [1.0, 3.0, 5.0]).round(6)
    array([1., 2.])
    """
    phi, t = np.asarray(phi, np.float64), column("least_squares", t)
    if phi.ndim != 2 or len(phi) != len(t) or phi.size == 0:
        raise ValueError(
            "least_squares: expected phi of shape (N, M) and t of shape (N,), got "
            f"{phi.shape} and {t.shape}; for a polynomial, phi = powers(x, degree)"
        )
    if not (np.isfinite(phi).all() and np.isfinite(t).all()):
        raise ValueError("least_squares: expected finite numbers, got NaN or infinity in phi or t")
    if not 0 <= ridge < np.inf:
        raise ValueError(f"least_squares: expected ridge of 0 or more, got {ridge}")
    if method == "svd":
        return _by_svd(phi, t, ridge)
    if method == "qr":
        return _by_qr(phi, t, ridge)
    raise ValueError(f'least_squares: expected method "svd" or "qr", got {method!r}')


def _by_svd(phi, t, ridge):
    u, s, vt = np.linalg.svd(phi, full_matrices=False)  # (N, K), (K,), (K, M)
    real = (
        s > s.max(initial=0) * max(phi.shape) * np.finfo(float).eps
    )  # the others are rounding errors
    u, s, vt = u[:, real], s[real], vt[real]
    return vt.T @ (s / (s**2 + ridge) * (u.T @ t))  # (M,)


def _by_qr(phi, t, ridge):
    count, width = phi.shape
    if ridge:
        phi = np.vstack([phi, np.sqrt(ridge) * np.eye(width)])  # (N + M, M)
        t = np.concatenate([t, np.zeros(width)])  # (N + M,)
    q, r = np.linalg.qr(phi)  # (N, M), (M, M) upper triangular
    diagonal = np.abs(np.diag(r))
    if len(phi) < width or diagonal.min() <= diagonal.max() * max(phi.shape) * np.finfo(float).eps:
        raise ValueError(
            f"least_squares: the {width} columns depend on each other ({count} samples), so that "
            'no single w is best; use method="svd" for the shortest one, or ridge > 0'
        )
    return np.linalg.solve(r, q.T @ t)  # (M,)


def rms_error(w: Array, x: Any, t: Any) -> float:
    """Return the root mean square of polynomial(x) - t, in the units of t.

    Formula (Bishop's eq. 1.3, where E is the sum of squares without penalty)::

        E_RMS = √(2 E(w) / N) = √(1/N Σ_n (y(x_n, w) - t_n)²)

    Parameters
    ----------
    w : array, shape (M + 1,)
        Weights of 1, x, …, x^M.
    x, t : array, shape (N,) or (N, 1)
    """
    rest = powers(x, len(w) - 1) @ w - column("rms_error", t)  # (N,)
    return float(np.sqrt(np.mean(rest**2)))


def column(who: str, values: Any) -> Array:
    """Return values of shape (N,) or (N, 1) as float64 of shape (N,).

    Raises
    ------
    ValueError
        Another shape.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"{who}: expected one number a sample, shape (N,) or (N, 1), got {values.shape}"
        )
    return values
