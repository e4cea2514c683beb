"""Draw: the random sizes and arrays of a trial."""

from __future__ import annotations

from typing import Any

import numpy as np


class Draw:
    """Random sizes and arrays, the same for each solution of one seed.

    Parameters
    ----------
    seed : int
    dtype : str
        Of the arrays.
    strided : bool
        If True, arrays are not contiguous.

    Attributes
    ----------
    rng : numpy.random.Generator
    sizes : dict of str to int
        The sizes drawn so far, by name.
    """

    def __init__(self, seed: int, dtype: str = "float64", strided: bool = False):
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.strided = strided
        self.sizes: dict[str, int] = {}

    def size(self, name: str, low: int = 2, high: int = 7) -> int:
        """Return a size from low to high that no other name has, so that axes differ."""
        free = [n for n in range(low, high + 1) if n not in self.sizes.values()]
        self.sizes[name] = int(self.rng.choice(free or range(low, high + 1)))
        return self.sizes[name]

    def array(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Return normally distributed values."""
        values = (scale * self.rng.standard_normal(shape)).astype(self.dtype)
        if self.strided and shape:
            wide = np.zeros((*shape[:-1], 2 * shape[-1]), self.dtype)
            wide[..., ::2] = values
            values = wide[..., ::2]
        return values

    def integers(self, high: int, *shape: int) -> np.ndarray:
        """Return integers from 0 to high - 1."""
        return self.rng.integers(0, high, shape)

    def fill(self, module: Any) -> Any:
        """Give a module's parameters values of this draw and its dtype; return the module."""
        module.to(dtype=self.dtype)
        for parameter in module.parameters():
            parameter.data[...] = self.array(*parameter.shape)
        return module
