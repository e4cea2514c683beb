"""Softmax of rows and its logarithm at the target, as cross-entropy needs them."""

from typing import Any

import numpy as np

from firstlight.support.array import Array


def softmax_parts(
    x: Array, t: Array, counted: Array, b: Array | None = None
) -> tuple[Array, Array, Array, Array, Array | None]:
    """Return the parts of softmax and of the log-probability at t.

    Parameters
    ----------
    x : array, shape (N, C)
        Logits.
    t : array of int, shape (N,)
        Target class of each row.
    counted : array of bool, shape (N,)
        True for rows that are not ignored.
    b : array, shape (C,), optional
        Weight of each class.

    Returns
    -------
    e : array, shape (N, C)
        exp(x - max). Ignored rows are treated as zeros.
    s, log_s, x_t : array, shape (N,)
        Σ e, its logarithm, and x - max at t.
    b_x : array, shape (N,), or None
        (x - max) b.

    Examples
    --------
    >>> import numpy as np
    >>> logits, t = np.array([[0.0, 0.0]]), np.array([1])
    >>> [part.round(4) for part in softmax_parts(logits, t, np.array([True]))[:4]]
    [array([[1., 1.]]), array([2.]), array([0.6931]), array([0.])]
    """
    rows = np.arange(len(t), like=x)  # (N,)
    largest = x.max(axis=1, keepdims=True)  # (N, 1)  subtracted so that exp cannot overflow
    if isinstance(counted, np.ndarray) and counted.all():
        x = x - largest  # (N, C)
    else:
        with np.errstate(invalid="ignore"):  # inf - inf
            x = x - largest  # (N, C)
        x[~counted] = 0
    x_t = x[rows, t]  # (N,)
    b_x = None if b is None else _dot(x, b)  # (N,)
    e = np.exp(x, out=x)  # (N, C)  overwrites x
    s = e.sum(axis=1)  # (N,)
    return e, s, np.log(s), x_t, b_x


def softmax_parts_dx(e: Array, s: Array, t: Array, a: Array, scale: Any) -> Array:
    """Overwrite e of `softmax_parts` with scale · a (e/s - [c = t]), and return it."""
    rows = np.arange(len(t), like=e)  # (N,)
    e *= (scale * a / s)[:, None]
    e[rows, t] -= scale * a
    return e


def _dot(x, b):
    """Return x @ b with 0 · (-inf) = 0, for logits of -inf of classes with weight 0."""
    if not (isinstance(b, np.ndarray) and b.all()):
        x = np.where(b != 0, x, 0)
    return x @ b
