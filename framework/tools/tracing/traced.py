"""The recording of a forward pass: arrays that note each NumPy function applied to them.

A module runs once on `Traced` arrays. A layer is one `Step`, with its inputs and outputs; whatever
NumPy computes between layers is a step for each function. A `Traced` array is no ndarray, so NumPy
cannot copy its numbers silently into a constant: that is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from firstlight.support.array import Array

REDUCTIONS = {
    **{"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"},
    **{"logical_and": "all", "logical_or": "any"},
}
INTERNAL = ("firstlight.tools.", "numpy", "contextlib")


class UntraceableError(TypeError, AttributeError):
    """Something in forward that cannot be recorded, or has no form where it is to be written."""


class Ref(NamedTuple):
    """A place in the list of all arrays of a `Trace`."""

    index: int


@dataclass
class Step:
    """One layer or one NumPy function that ran.

    Attributes
    ----------
    name : str
        Name of the function; empty for a layer.
    layer : Module or None
    scope : str
        The layer's name in the model, or that of the module in which the function was called.
    args, options : tuple and dict
        Arguments, with a `Ref` in place of each traced array.
    outputs : list of Ref
    at : str
        ``file:line`` of the call.
    """

    name: str
    layer: Any
    scope: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    outputs: list[Ref]
    at: str

    def __str__(self) -> str:
        scope = self.scope or "the model"
        if self.layer is not None:
            return f"{scope} ({type(self.layer).__name__})"
        return f"np.{self.name} ({self.at}) in {scope}"


class Trace:
    """Steps and values of one forward pass.

    Attributes
    ----------
    values : list of array
        The arrays that `Ref` numbers.
    steps : list of Step
    scopes : list of str
        Names of the modules whose forward is running.
    reads : dict of str
        What Python's own code has read of values, such as a condition, by ``file:line``.
    """

    def __init__(self) -> None:
        self.values: list[Array] = []
        self.steps: list[Step] = []
        self.scopes: list[str] = [""]
        self.reads: dict[str, str] = {}

    def traced(self, value: Any) -> Traced:
        """Return a new array to record on."""
        self.values.append(np.asarray(value))
        return Traced(self, Ref(len(self.values) - 1))

    def record(self, name: str, args: Any, options: Any, result: Any, layer: Any = None) -> Any:
        """Append a step; return its result with `Traced` arrays in place of arrays."""
        found = mapped(result, (np.ndarray, np.generic), self.traced)
        refs = refs_in(referred(found))
        if refs:
            args, options = referred((args, options))
            self.steps.append(Step(name, layer, self.scopes[-1], args, options, refs, _caller()))
        return found

    def read(self, array: Traced, what: str) -> Any:
        """Return the numbers of an array that Python's own code asks for, and note it."""
        self.reads[_caller()] = what
        return self.values[array.ref.index]


class Traced(NDArrayOperatorsMixin):
    """An array whose uses are recorded; see the module."""

    def __init__(self, trace: Trace, ref: Ref):
        self.trace: Trace = trace
        self.ref: Ref = ref

    @property
    def value(self) -> Array:
        """The numbers in the pass that is recorded."""
        return self.trace.values[self.ref.index]

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        name = ufunc.__name__ if method == "__call__" else REDUCTIONS.get(ufunc.__name__, "")
        if method not in ("__call__", "reduce") or not name:
            raise UntraceableError(f"{_caller()}: np.{ufunc.__name__}.{method} in forward")
        if method == "reduce":
            options.setdefault("axis", 0)
        result = getattr(ufunc, method)(*plain(inputs), **plain(options))
        found = self.trace.record(name, inputs, options, result)
        if out is not None:
            target = out[0]
            if not isinstance(target, Traced):
                self._refuse()
            if found.dtype != target.dtype:
                found = found.astype(target.dtype)
            target.ref = found.ref
            return target
        return found

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        name, out = function.__name__, options.pop("out", None)
        if out is not None:
            raise UntraceableError(f"{_caller()}: np.{name}(out=...) in forward; assign instead")
        if name == "empty_like":
            name, function = "zeros_like", np.zeros_like
        if name in ("astype", "copy"):
            return getattr(args[0], name)(*args[1:], **options)
        return self.trace.record(name, args, options, function(*plain(args), **plain(options)))

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def _refuse(self):
        raise UntraceableError(
            f"{_caller()}: an array that is computed from the input becomes a constant here; "
            "create arrays like it (np.zeros_like(x, shape=...), np.asarray(values, like=x)), and "
            "call functions of NumPy"
        )

    def __getitem__(self, key: Any) -> Any:
        return self.trace.record("getitem", (self, key), {}, self.value[plain(key)])

    def __setitem__(self, key: Any, new: Any) -> None:
        whole = self.value.copy()
        whole[plain(key)] = plain(new)
        region = () if holds_traced(key) else whole[plain(key)].shape
        self.ref = self.trace.record("setitem", (self, key, new, region), {}, whole).ref

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.trace.read(self, "a condition on the values"))

    def __float__(self) -> float:
        return float(self.trace.read(self, "float()"))

    def __int__(self) -> int:
        return int(self.trace.read(self, "int()"))

    def __index__(self) -> int:
        return int(self)

    def item(self, *args: Any) -> Any:
        """Return a number, as `ndarray.item`."""
        return self.trace.read(self, "item()").item(*args)

    def tolist(self) -> Any:
        """Return nested lists, as `ndarray.tolist`."""
        return self.trace.read(self, "tolist()").tolist()

    def astype(self, dtype: Any, **_: Any) -> Traced:
        """Return the array with another dtype, as `ndarray.astype`."""
        return self.trace.record("astype", (self, np.dtype(dtype)), {}, self.value.astype(dtype))

    def copy(self, *_: Any, **__: Any) -> Traced:
        """Return the array itself under another name; assigning to one leaves the other."""
        return Traced(self.trace, self.ref)

    def reshape(self, *shape: Any, **options: Any) -> Traced:
        """Return the numbers in another shape, as `ndarray.reshape`."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Traced:
        """Return the array with its axes in another order, as `ndarray.transpose`."""
        axes = axes[0] if len(axes) == 1 else axes
        return np.transpose(self, axes or None)

    def flatten(self) -> Traced:
        """Return all numbers in one axis, as `ndarray.flatten`."""
        return np.reshape(self, -1)

    @property
    def T(self) -> Traced:  # noqa: N802
        """The array with its axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Traced:  # noqa: N802
        """The array with its last two axes exchanged."""
        return np.swapaxes(self, -1, -2)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "size", "dtype", "nbytes", "itemsize"):
            return getattr(self.value, name)
        if name in METHODS:
            function = getattr(np, name)
            return lambda *args, **options: function(self, *args, **options)
        raise UntraceableError(
            f"{_caller()}: {name} of an array that is computed from the input cannot be recorded; "
            "use functions of NumPy"
        )


METHODS = (
    *("sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "all", "any"),
    *("ravel", "swapaxes", "squeeze", "repeat", "take", "clip", "dot", "cumsum", "round"),
)


def plain(value: Any) -> Any:
    """Return a value with arrays in place of traced ones, in lists, tuples and dicts too."""
    return mapped(value, Traced, lambda array: array.value)


def referred(value: Any) -> Any:
    """Return a value with a `Ref` in place of each traced array."""
    return mapped(value, Traced, lambda array: array.ref)


def mapped(value: Any, kind: type | tuple[type, ...], change: Callable[[Any], Any]) -> Any:
    """Return a value with all of a kind changed, in lists, tuples and dicts too."""
    if isinstance(value, kind):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(mapped(part, kind, change) for part in value)
    if type(value) is dict:
        return {name: mapped(part, kind, change) for name, part in value.items()}
    return value


def holds_traced(value: Any) -> bool:
    """Return True if there is a traced array in a value."""
    parts = value.values() if type(value) is dict else value
    if type(value) in (tuple, list, dict):
        return any(map(holds_traced, parts))
    return isinstance(value, Traced)


def refs_in(value: Any) -> list[Ref]:
    """Return each `Ref` in nested tuples, lists and dicts."""
    if isinstance(value, Ref):
        return [value]
    parts = value.values() if type(value) is dict else value
    return (
        [r for part in parts for r in refs_in(part)] if type(value) in (tuple, list, dict) else []
    )


def _caller():
    """Return ``file:line`` of the nearest frame that is neither NumPy's nor this package's."""
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(INTERNAL):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
