"""Functions for arrays of NumPy, in main memory, and of CuPy, on a GPU.

NumPy's functions of an array work where the array is: ``np.exp(x)`` of a CuPy array runs on the GPU
and returns a CuPy array. New arrays do not: ``np.zeros(3)`` is in main memory, and must not meet
arrays of the GPU. CuPy refuses to convert implicitly, since each copy would be slow.
"""

import sys
from typing import Any

import numpy as np

from firstlight.support.array import Array


def array_module(x: Array) -> Any:
    """Return the module of an array, numpy or cupy, whose functions create arrays beside it.

    Examples
    --------
    >>> array_module(np.ones(2)).zeros(3)
    array([0., 0., 0.])
    """
    return sys.modules[type(x).__module__]


def softmax(z: Array) -> Array:
    """Return the softmax of each row, on the device of z.

    Formula::

        p_nc = exp(z_nc) / Σ_k exp(z_nk)        z (N, C), p (N, C)

    The largest z of a row is subtracted first, so that exp stays finite.
    """
    powers = np.exp(z - z.max(axis=1, keepdims=True))  # (N, C)
    return powers / powers.sum(axis=1, keepdims=True)  # (N, C)


def one_hot(labels: Array, classes: int) -> Array:
    """Return rows with 1 at the label and 0 elsewhere, on the device of the labels.

    Formula::

        y_nc = [c = t_n]        t (N,), y (N, C) of float32
    """
    xp = array_module(labels)
    return (labels[:, None] == xp.arange(classes)).astype("float32")  # (N, C)


def standardise(x: Array) -> Array:
    """Return x with mean 0 and standard deviation 1 in each column, on the device of x.

    Formula, with the mean μ_d and the standard deviation σ_d of each column d over n::

        y_nd = (x_nd - μ_d) / σ_d        x (N, D), y (N, D) of x's dtype

    A constant column, whose σ is 0, becomes 0.
    """
    deviation = x.std(axis=0)  # (D,)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)  # (N, D)


def to_numpy(x: Array) -> Array:
    """Return an array in main memory, for a figure or a file; only CuPy's arrays have ``get()``."""
    return x.get() if hasattr(x, "get") else x  # of NumPy
