"""Arrays that imitate CuPy's where there is no GPU, for the exercise on array modules.

They refuse what CuPy refuses: implicit conversion to NumPy, and arithmetic with NumPy's arrays. The
functions of this module are NumPy's, and return such arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that only functions of this module, and NumPy's by dispatch, compute with.

    Attributes
    ----------
    copies : int
        Explicit copies to main memory, of all arrays.
    """

    copies = 0

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: np.ndarray):
        self._values = values

    def get(self) -> np.ndarray:
        """Return a copy as a NumPy array."""
        DeviceArray.copies += 1
        return self._values.copy()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return run(getattr(ufunc, method), *inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return run(function, *args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._values, name)
        if callable(found):
            return lambda *args, **options: run(found, *args, **options)
        return wrapped(found)

    def __getitem__(self, index: Any) -> Any:
        return run(self._values.__getitem__, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[plain(index)] = plain(value)

    def __iter__(self) -> Any:
        return (self[n] for n in range(len(self)))

    def __len__(self) -> int:
        return len(self._values)

    def __float__(self) -> float:
        return float(self._values)

    def __int__(self) -> int:
        return int(self._values)

    def __index__(self) -> int:
        return self._values.__index__()

    def __bool__(self) -> bool:
        return bool(self._values)


def plain(value: Any) -> Any:
    """Return the values of device arrays; refuse arrays of NumPy."""
    if isinstance(value, DeviceArray):
        return value._values
    if isinstance(value, np.ndarray):
        raise TypeError("an array of NumPy meets an array of the device: numpy.ndarray")
    if isinstance(value, tuple | list):
        return type(value)(plain(one) for one in value)
    return value


def wrapped(result: Any) -> Any:
    """Return arrays as device arrays."""
    if isinstance(result, np.ndarray | np.generic):
        return DeviceArray(np.asarray(result))
    return result


def run(function: Any, *args: Any, **options: Any) -> Any:
    """Call a function of NumPy with the values of device arrays."""
    if function in (np.asarray, np.array) and isinstance(args[0], np.ndarray):  # an upload
        return wrapped(np.array(*args, **options))
    options = {name: plain(value) for name, value in options.items()}
    return wrapped(function(*(plain(one) for one in args), **options))


def asnumpy(array: Any) -> np.ndarray:
    """Return an array of the device, or of main memory, as one of main memory."""
    return array.get() if isinstance(array, DeviceArray) else np.asarray(array)


def __getattr__(name: str) -> Any:
    """Return a function of NumPy that creates device arrays; types and constants as they are."""
    if name.startswith("_"):
        raise AttributeError(name)
    found = getattr(np, name)
    if isinstance(found, type) or not callable(found):
        return found

    def create(*args: Any, **options: Any) -> Any:
        return run(found, *args, **options)

    return create
