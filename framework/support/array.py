"""Array: the annotation of every array, NumPy's or CuPy's."""

from typing import Any, TypeAlias

import numpy as np

# A CuPy array on a GPU has the same methods; shapes are in docstrings and comments.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
