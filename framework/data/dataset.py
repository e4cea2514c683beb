"""ArrayDataset: samples in memory, checked on construction."""

import copy
from typing import Any

import numpy as np

from firstlight.data.lazy import LazyArray
from firstlight.data.transforms import Transform
from firstlight.support.array import Array
from firstlight.support.batches import leaves


class ArrayDataset:
    """Samples in arrays, along the first axis.

    A *data set* is any object with ``len()`` that returns a batch, a tuple of arrays, when it is
    indexed with an array of indices. This class is for data that fits in memory. Other classes may
    have further methods::

        draw(count, rng)              new samples for training, instead of samples by index
        weight(batch)                 the weight of a batch in an evaluation, if the step gives no
                                      denominators; by default its samples
        metrics(prediction, batch)    further means over a batch, by name, for an evaluation

    Parameters
    ----------
    *arrays : array_like, shape (N, ...)
        Usually inputs x and targets y, and sample weights w if there are any. float64 becomes
        float32, the dtype of models; pass ``dtype`` for another. Integers (labels, pixels, tokens)
        do not change. A `firstlight.data.lazy.LazyArray` is read when samples are taken.
    name : str
        Used in messages.
    dtype : str
        Dtype of floating arrays; with a ``transform`` x keeps its own, so that nothing is rounded
        before it is scaled.
    transform : callable, optional
        ``f(batch, rng) -> batch``, applied to samples taken by index, with None as rng. It scales
        the inputs and must not be random.

    Attributes
    ----------
    arrays : tuple of array
        The samples before the transform.

    Raises
    ------
    ValueError
        No samples, different lengths, NaN or infinity.
    TypeError
        Values that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.splits import ArrayDataset
    >>> data = ArrayDataset(np.zeros((5, 3)), np.arange(5))
    >>> len(data), [a.shape for a in data[np.array([0, 4])]]
    (5, [(2, 3), (2,)])
    """

    def __init__(
        self,
        *arrays: Any,
        name: str = "data",
        dtype: str = "float32",
        transform: Transform | None = None,
    ) -> None:
        if not arrays:
            raise ValueError(f"{name}: expected one or more arrays, got none")
        self.name: str = name
        self.dtype: str = dtype
        self.transform: Transform | None = transform
        dtypes = [None if transform is not None and i == 0 else dtype for i in range(len(arrays))]
        checked = map(self._checked, arrays, range(len(arrays)), dtypes)
        self.arrays: tuple[Array, ...] = tuple(checked)
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"{name}: arrays of one data set have one length, got {lengths}; "
                "pass (x, y) with one y for each x"
            )
        if lengths[0] == 0:
            raise ValueError(f"{name} is empty: expected at least one sample")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, indices: Any) -> tuple[Array, ...]:
        """Return transformed samples: ``(x, y)``, or ``(x,)`` if there is one array.

        Indices are an array of integers, a slice, a mask, or one integer.
        """
        batch = tuple(array[indices] for array in self.arrays)
        if self.transform is None:
            return batch
        x, *others = self.transform(batch, None)
        return (x.astype(self.dtype, copy=False) if x.dtype.kind == "f" else x, *others)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{array.dtype} {array.shape}" for array in self.arrays)
        return f"ArrayDataset({self.name}: {shapes})"

    def _checked(self, array, position, dtype):
        if isinstance(array, LazyArray):
            return array
        try:
            array = np.asarray(array)
        except ValueError as error:  # nested lists of different lengths
            raise ValueError(
                f"{self.name}: array {position} cannot be created from the argument: {error}"
            ) from error
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"{self.name}: expected numbers in array {position}, got dtype {array.dtype}; "
                "encode labels as integers 0, 1, ..."
            )
        if array.ndim == 0:
            raise ValueError(f"{self.name}: array {position} is a single number, not samples")
        if array.dtype.kind == "f":
            with np.errstate(over="ignore"):  # values beyond float32 become infinity, see below
                array = array.astype(dtype or array.dtype, copy=False)
            self._check_finite(array, position)
        return array

    def _check_finite(self, array, position):
        with np.errstate(invalid="ignore", over="ignore"):
            total = array.sum(dtype="float64")  # one pass without a temporary
        if np.isfinite(total):
            return
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            raise ValueError(
                f"{self.name}: array {position} has NaN or infinity (as {array.dtype}) in "
                f"{bad.sum()} of {len(array)} samples, first in sample {bad.argmax()}; "
                "clean the data before training"
            )


class TransformedDataset:
    """Wrap a data set of another class, to apply a transform to its samples.

    Parameters
    ----------
    data : data set
    transform : callable
        ``f(batch, rng) -> batch``; not random, as for `ArrayDataset`.
    name : str
        Used in messages.
    """

    def __init__(self, data: Any, transform: Transform, name: str = "data") -> None:
        self.data: Any = data
        self.transform: Transform = transform
        self.name: str = getattr(data, "name", name)
        for method in ("weight", "metrics"):
            if hasattr(data, method):
                setattr(self, method, getattr(data, method))
        if hasattr(data, "draw"):
            self.draw: Any = self._draw

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, indices: Any) -> Any:
        """Return transformed samples."""
        return self.transform(self.data[indices], None)

    def _draw(self, count, rng):
        return self.transform(self.data.draw(count, rng), None)


def transform_of(data: Any) -> Transform | None:
    """Return the transform of a data set; None if it has none or is of another class."""
    return data.transform if isinstance(data, (ArrayDataset, TransformedDataset)) else None


def with_transform(data: Any, transform: Transform | None, name: str = "data") -> Any:
    """Return a data set with a transform of its samples; None changes nothing.

    Raises
    ------
    ValueError
        The data set already has another transform.
    """
    own = transform_of(data)
    if transform is None or own is transform:
        return data
    if own is not None:
        raise ValueError(
            f"{name}: its samples go through {own!r} already; leave out transform={transform!r}, "
            "which would scale them twice"
        )
    if type(data) is not ArrayDataset:
        return TransformedDataset(data, transform, name)
    data = copy.copy(data)
    data.transform = transform
    return data


def as_dataset(data: Any, name: str = "data", transform: Transform | None = None) -> Any:
    """Turn an array or a tuple of arrays into an `ArrayDataset`; data sets pass unchanged.

    Dicts of arrays, and tuples with dicts or tuples of arrays, become a `NestedDataset`. If a
    ``transform`` is given, it is applied to the samples.

    Raises
    ------
    TypeError
        Something else, such as a list: wrap it in ``np.array`` or make a tuple ``(x, y)``.
    """
    if is_nested(data):
        from firstlight.data.nested import NestedDataset  # here, as it is made of this module

        return with_transform(NestedDataset(data, name=name), transform, name)
    if isinstance(data, tuple):
        return ArrayDataset(*data, name=name, transform=transform)
    if hasattr(data, "__array__"):  # NumPy's, a pandas table, a PyTorch tensor
        return ArrayDataset(data, name=name, transform=transform)
    indexable = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if indexable and not isinstance(data, (list, dict, str, bytes)):
        return with_transform(data, transform, name)
    raise TypeError(
        f"{name}: expected an array, a tuple (x, y) of arrays, or a data set with len() and "
        f"indexing by arrays, got {type(data).__name__}{_advice(data)}"
    )


def is_nested(data: Any) -> bool:
    """Return whether data are a dict of arrays, or a tuple with dicts or tuples of arrays.

    A dict of x and y alone is not: batches are tuples ``(x, y)``.
    """
    parts = data if isinstance(data, tuple) else ()
    if isinstance(data, dict):
        if not data or data.keys() <= {"x", "y"}:
            return False
    elif not any(isinstance(part, (dict, tuple)) for part in parts):
        return False
    return all(hasattr(array, "__array__") for array in leaves(data))


def _advice(data):
    if isinstance(data, list):
        several = '; name several sets of validation data: {"a": loader, "b": loader}'
        values = "; write np.array(...) for values, (x, y) for inputs and targets"
        loaders = [hasattr(one, "__len__") and not hasattr(one, "__getitem__") for one in data]
        return several if any(loaders) else values
    if isinstance(data, str):
        return "; load it first: firstlight.datasets.load(...)"
    if isinstance(data, dict):
        named = "; sets by name are the second argument of fit, or that of validate and test"
        return "; write (data['x'], data['y'])" if data.keys() & {"x", "y"} else named
    if hasattr(data, "__iter__"):
        return "; if it is a loader, give it __len__, the number of its batches"
    return ""
