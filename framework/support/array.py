"""Array: the type annotation of NumPy and CuPy arrays."""

from typing import Any, TypeAlias

import numpy as np

# CuPy arrays have the same methods. Shapes are given in docstrings and comments.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
