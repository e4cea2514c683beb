"""Rows by index: sums of rows with equal indices, and batches taken from samples in memory."""

import numpy as np

from firstlight.support.array import Array


def add_by_index(table: Array, indices: Array, values: Array, skip: int | None = None) -> None:
    """Add each row of ``values`` to the row of ``table`` that its index names, in place.

    Parameters
    ----------
    table : array, shape (V, D)
    indices : array of int, shape (N,)
    values : array, shape (N, D)
    skip : int, optional
        An index whose rows are left out.
    """
    rows, sums = sum_by_index(indices, values)
    if skip is not None:
        sums[rows == skip] = 0
    table[rows] += sums  # each row once


def sum_by_index(indices: Array, values: Array) -> tuple[Array, Array]:
    """Sum the rows of ``values`` that have the same index.

    Sorting puts equal indices side by side, so that each sum is over consecutive rows. That is
    never slower than ``np.add.at``, and a one-hot matrix product pays for small vocabularies only.

    Parameters
    ----------
    indices : array of int, shape (N,)
    values : array, shape (N, D)

    Returns
    -------
    unique : array of int, shape (U,)
        The indices, rising.
    sums : array, shape (U, D)

    Examples
    --------
    >>> import numpy as np
    >>> sum_by_index(np.array([5, 2, 5]), np.array([[1.0], [2.0], [3.0]]))
    (array([2, 5]), array([[2.],
           [4.]]))
    """
    order = np.argsort(indices, kind="stable")
    indices = indices[order]  # (N,)  rising
    begins = np.ones_like(indices, dtype=bool)
    np.not_equal(indices[1:], indices[:-1], out=begins[1:])
    starts = np.flatnonzero(begins)  # (U,)
    return indices[starts], np.add.reduceat(values[order], starts, axis=0)


def take_scaled(x: Array, places: Array, factor: float) -> Array:
    """Return x[places] · factor as float32.

    Parameters
    ----------
    x : array, shape (N, ...)
        uint8 or float32.
    places : array of int, shape (n,)
    factor : float

    Examples
    --------
    >>> import numpy as np
    >>> take_scaled(np.array([[0], [10], [20]], "uint8"), np.array([2, 1]), 0.5)
    array([[10.],
           [ 5.]], dtype=float32)
    """
    batch = np.take(x, places, axis=0).astype("float32")
    batch *= factor
    return batch
