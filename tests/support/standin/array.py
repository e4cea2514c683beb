"""The array type: a NumPy array behind a door that only device code passes."""

import math

import numpy as np

from standin import module
from standin.device import counts

WAITING = {"flatnonzero", "nonzero", "argwhere", "unique", "extract", "compress", "array_equal"}
UNINITIALISED = {"empty", "empty_like"}
PLAIN = (bool, int, float, complex)


class Memory:
    """A MemoryPointer: ``ptr`` is the address."""

    def __init__(self, address):
        self.ptr = address


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):  # noqa: N801  CuPy's name
    """An array on a device."""

    __slots__ = ("_a", "device_id")
    __array_priority__ = 100

    def __init__(self, array):
        self._a, self.device_id = np.asarray(array), counts.current
        if counts.recording is not None:
            counts.kept.append(self._a)

    # --- what is known without looking at values ---
    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: self._a.flags)
    data = property(lambda self: Memory(self._a.ctypes.data))
    device = property(lambda self: module.Device(self.device_id))
    T = property(lambda self: run(np.transpose, self))
    __hash__ = None

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    # --- to the host, and from there ---
    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def get(self):
        counts.wait("get")
        return self._a.copy()

    def set(self, source, stream=None):
        if not isinstance(source, np.ndarray) or source.shape != self.shape:
            raise TypeError(f"set: expected a NumPy array of shape {self.shape}")
        if source.dtype != self.dtype:
            raise TypeError(f"{source.dtype} array cannot be set to {self.dtype} array")
        counts.upload("set")
        self._a[...] = source

    def item(self):
        counts.wait("item")
        return self._a.item()

    def tolist(self):
        counts.wait("tolist")
        return self._a.tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        counts.wait("index")
        return self._a.__index__()

    def __bool__(self):
        counts.wait("bool")
        return bool(self._a)

    def __repr__(self):
        counts.wait("repr")
        return repr(self._a)

    def __format__(self, spec):
        counts.wait("format")
        return format(self._a.item() if not self.ndim else self._a, spec)

    # --- work on the device ---
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if isinstance(kwargs.get("out"), tuple):
            (kwargs["out"],) = kwargs["out"]
        if ufunc.__name__ == "matmul":
            counts.refuse("matmul: calling cuBLAS API during stream capture is unsupported")
        return run(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        if not all(issubclass(t, ndarray) for t in types):
            raise TypeError(f"{func.__name__}: unsupported types {types}")
        if func in (np.asarray, np.array):
            return upload(func, *args, **kwargs)
        if func.__name__ in ("vdot", "dot", "einsum", "tensordot", "inner"):
            counts.refuse(f"{func.__name__}: calling cuBLAS API during stream capture")
        return run(func, *args, **kwargs)

    def __getitem__(self, index):
        if any(str(getattr(i, "dtype", "")) == "bool" for i in parts(index)):
            counts.wait("indexing by a mask")  # how many there are is a question to the device
        return run(lambda array, i: array[i], self, index)

    def __setitem__(self, index, value):
        if any(str(getattr(i, "dtype", "")) == "bool" for i in parts(index)):
            counts.wait("assigning by a mask")  # CuPy counts it, too
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}: use .set()")
        array, raw, raw_value = check(self), bare(index), bare(value)

        def put():
            array[raw] = raw_value

        counts.act(put)

    def fill(self, value):
        self[...] = value

    def copy(self, order="C"):
        return run(np.ndarray.copy, self)

    def astype(self, dtype, order="K", casting="unsafe", subok=None, copy=True):
        same = not copy and self.dtype == dtype
        return self if same else run(lambda a: a.astype(dtype, order=order), self)

    def view(self, dtype):
        return run(np.ndarray.view, self, dtype)

    def __getattr__(self, name):
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return lambda *args, **kwargs: run(getattr(np.ndarray, name), self, *args, **kwargs)


def parts(index):
    """Return an index as a tuple."""
    return index if isinstance(index, tuple) else (index,)


def check(array):
    """Return the memory of an array, which must be on the current device."""
    if array.device_id != counts.current:
        raise RuntimeError(f"array of device {array.device_id} used on device {counts.current}")
    return array._a


def bare(value):
    """Return arguments with the memory in place of arrays; NumPy's own are refused."""
    if isinstance(value, ndarray):
        return check(value)
    if isinstance(value, (tuple, list)):
        return type(value)(bare(item) for item in value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, np.generic):
        raise TypeError(f"a NumPy scalar {value!r} meets a device array; use a Python number")
    return value


def wrapped(result):
    """Return device arrays in place of NumPy's; other results as they are."""
    if isinstance(result, (np.ndarray, np.generic)):
        return ndarray(result)
    if isinstance(result, (tuple, list)) and any(isinstance(r, np.ndarray) for r in result):
        return type(result)(wrapped(item) for item in result)
    return result


def run(function, *args, **kwargs):
    """Compute, and record how to compute the same again into the same memory."""
    name = getattr(function, "__name__", "")
    if name in WAITING:
        counts.wait(name)
    if name == "count_nonzero":
        kwargs = {"axis": None} | kwargs
        function = _count_nonzero
    if name in ("concatenate", "stack") and len(args[0]) > 8:  # by pointers, copied there
        counts.refuse(name)
    out = kwargs.get("out")
    raw = [bare(arg) for arg in args]
    raw_kwargs = {key: bare(value) for key, value in kwargs.items()}
    if name.endswith("_like") and raw_kwargs.get("shape") == ():
        del raw_kwargs["shape"]  # CuPy 14.2: ``shape if shape else a.shape``
    if out is not None or name == "copyto":
        counts.act(lambda: quiet(function, raw, raw_kwargs))
        return out
    result = quiet(function, raw, raw_kwargs)
    if name in UNINITIALISED and result.dtype.kind == "f":
        result.fill(math.nan)
    found = wrapped(result)
    if name not in UNINITIALISED:
        _record(function, raw, raw_kwargs, found)
    return found


def _record(function, raw, kwargs, found):
    inputs = [array for array in flat([raw, list(kwargs.values())]) if array.size]
    made = [
        array._a
        for array in (found if isinstance(found, (tuple, list)) else [found])
        if isinstance(array, ndarray)
    ]
    if not made or any(np.may_share_memory(m, i) for m in made for i in inputs):
        return  # a view, or facts such as a shape: there is nothing to do again

    def again():
        results = quiet(function, raw, kwargs)
        if not isinstance(results, (tuple, list)):
            results = [results]
        for memory, result in zip(made, results, strict=True):
            memory[...] = result

    if counts.recording is None:  # done already
        counts.act(lambda: None)
        return
    for memory in made:  # nothing is computed before the graph runs
        if memory.dtype.kind == "f":
            memory.fill(math.nan)
    counts.act(again)


def quiet(function, args, kwargs):
    """Compute without warnings, as a device does."""
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)


def flat(values):
    """Yield the NumPy arrays in nested lists."""
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from flat(value)


def _count_nonzero(array, axis):
    return np.asarray(np.count_nonzero(array, axis=axis))


def upload(function, value, *args, **kwargs):
    """Copy from the host to the device."""
    if isinstance(value, ndarray):
        return run(function, value, *args, **kwargs)
    if not isinstance(value, PLAIN):
        counts.upload("asarray")
    return ndarray(np.array(value, *args, **kwargs))
