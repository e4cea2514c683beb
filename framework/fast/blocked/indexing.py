"""Rows by index: sums of rows with equal indices."""

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
