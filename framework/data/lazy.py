"""LazyArray and LazyRows: arrays whose samples are created or read when they are taken."""

from typing import Any

import numpy as np

from firstlight.support.array import Array


class LazyArray:
    """Base class of arrays that are larger than memory, or costly to read.

    `ArrayDataset` takes one in place of an array. Subclasses implement `read`.

    Parameters
    ----------
    shape : tuple of int
        With the number of samples first.
    dtype : str

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.lazy import LazyArray
    >>> class Counting(LazyArray):
    ...     def read(self, places):
    ...         return places[:, None].astype(self.dtype)
    >>> Counting((10**9, 1), "float32")[5:8].ravel()
    array([5., 6., 7.], dtype=float32)
    """

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype = np.dtype(dtype)

    def read(self, places: Array) -> Array:
        """Return the samples at an array of indices, all from 0 to below the length.

        It may be called from several threads at once.
        """
        raise NotImplementedError(f"{type(self).__name__}.read is missing")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of all samples in bytes."""
        return int(np.prod(self.shape, dtype="int64")) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> Array:
        """Return samples; indices are an array of integers, a slice, a mask, or one integer."""
        places = np.arange(len(self))[indices]
        found = self.read(np.atleast_1d(places))
        return found if np.ndim(places) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:] if dtype is None else self[:].astype(dtype)


class LazyRows(LazyArray):
    """Some samples of an array or memory-mapped file, without a copy.

    Parameters
    ----------
    array : array or LazyArray, shape (N, ...)
    places : array of int
        Indices of the samples.
    """

    def __init__(self, array: Any, places: Array) -> None:
        super().__init__((len(places), *array.shape[1:]), str(array.dtype))
        self.array: Any = array
        self.places: Array = places

    def read(self, places: Array) -> Array:
        """Return the samples at an array of indices."""
        return np.asarray(self.array[self.places[places]])
