"""Traced: an array that records the operations of a forward between its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from firstlight.support.array import Array
from firstlight.tools.demo.known_layers import Description

if TYPE_CHECKING:
    from firstlight.tools.demo.trace import Graph

UFUNCS = {
    *("add", "subtract", "multiply", "divide", "power", "negative", "maximum", "minimum"),
    *("exp", "log", "sqrt", "tanh", "absolute", "square", "matmul"),
}
COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
OPERATIONS = ("reshape", "swapaxes", "transpose", "concatenate", "mean", "sum", "max")


class UnknownOperationError(TypeError, AttributeError):
    """An operation that has no form in JavaScript."""


class Size(int):
    """The length of an axis: an int that knows which."""

    axis: int = 0

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> tuple[Size, ...]:
        """Return the sizes of a shape."""
        sizes = tuple(map(cls, shape))
        for axis, size in enumerate(sizes):
            size.axis = axis
        return sizes


class Traced(NDArrayOperatorsMixin):
    """A value of one run, and the node of the graph that computes it.

    Parameters
    ----------
    graph : Graph
    node : int
    value : array
    """

    def __init__(self, graph: Graph, node: int, value: Array):
        self.graph = graph
        self.node = node
        self.value = value

    @property
    def shape(self) -> tuple[Size, ...]:
        """Its shape, with sizes that know their axis."""
        return Size.of(self.value.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the value."""
        return self.value.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    @property
    def T(self) -> Traced:  # noqa: N802
        """Its axes reversed."""
        return self.transpose()

    def __len__(self) -> int:
        return len(self.value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnknownOperationError(f"uses .{name} of an array, which a demo does not know")

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise UnknownOperationError("makes a plain array of one that comes from its input")

    def __bool__(self) -> bool:
        raise UnknownOperationError("decides by values of an array (`if`), which a demo cannot")

    def __float__(self) -> float:
        raise UnknownOperationError("makes a number of an array, which a demo cannot follow")

    __int__ = __index__ = __iter__ = __float__

    # --- operations ---------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc.__name__ in COMPARISONS:
            raise UnknownOperationError("compares values of an array, which a demo cannot follow")
        if method != "__call__" or ufunc.__name__ not in UFUNCS or options.keys() - {"out"}:
            raise _unknown(f"np.{ufunc.__name__}")
        made = self._add(ufunc.__name__, {}, list(inputs), lambda *values: ufunc(*values))
        for out in options.get("out", ()):  # x += y
            if not isinstance(out, Traced):
                raise UnknownOperationError("adds to a plain array in place")
            out.node, out.value = made.node, made.value
            return out
        return made

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        name = function.__name__
        if name == "arange" and len(args) == 1 and type(args[0]) is Size:
            axis = args[0].axis
            return self._add("arange", {"axis": axis}, [self], lambda x: np.arange(x.shape[axis]))
        if name in ("ndim", "shape", "size"):
            return getattr(self, name)
        if name in ("concatenate", "stack"):
            return self._join(name, *args, **options)
        if name == "zeros_like" and not options:
            return self * np.float32(0)
        if name in OPERATIONS and isinstance(args[0], Traced):
            return getattr(args[0], name)(*args[1:], **options)
        raise _unknown(f"np.{name}")

    def reshape(self, *shape: Any) -> Traced:
        """Return it with another shape; the first axis, of samples, stays."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        new = [
            0 if isinstance(n, Size) and n.axis == axis else int(n) for axis, n in enumerate(shape)
        ]
        result = self.value.reshape(*map(int, shape))
        if not new or len(result) != len(self.value):
            raise UnknownOperationError(
                f"reshapes {self.value.shape} to {result.shape}, where samples no longer are rows"
            )
        new[0] = 0

        def run(x: Array) -> Array:
            return x.reshape([n or x.shape[axis] for axis, n in enumerate(new)])

        return self._add("reshape", {"shape": new}, [self], run)

    def transpose(self, *axes: Any) -> Traced:
        """Return it with its axes in another order."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = [axis % self.ndim for axis in axes or reversed(range(self.ndim))]
        return self._add("transpose", {"axes": order}, [self], lambda x: x.transpose(order))

    def swapaxes(self, one: int, other: int) -> Traced:
        """Return it with two axes swapped."""
        order = list(range(self.ndim))
        order[one], order[other] = order[other], order[one]
        return self.transpose(order)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Traced:
        """Return the mean along axes."""
        return self._reduced("mean", axis, keepdims)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Traced:
        """Return the sum along axes."""
        return self._reduced("sum", axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Traced:
        """Return the largest along axes."""
        return self._reduced("max", axis, keepdims)

    def astype(self, dtype: Any, **_: Any) -> Traced:
        """Return it as it is: everything is float32."""
        if np.dtype(dtype).kind != "f":
            raise _unknown(f"astype({dtype})")
        return self

    def copy(self) -> Traced:
        """Return the same value, which changes in place do not reach."""
        return Traced(self.graph, self.node, self.value)

    def __getitem__(self, key: Any) -> Traced:
        settings = {"key": _key(key, self.ndim)}
        return self._add("take", settings, [self], lambda x: x[key])

    def __setitem__(self, key: Any, new: Any) -> None:
        def run(x: Array, new: Array) -> Array:
            x = x.copy()
            x[key] = new
            return x

        made = self._add("put", {"key": _key(key, self.ndim)}, [self, new], run)
        self.node, self.value = made.node, made.value

    def _add(self, kind, settings, inputs, run):
        return self.graph.add(Description(kind, settings), inputs, run)

    def _reduced(self, name, axis, keepdims):
        every = range(self.ndim) if axis is None else axis
        axes = [n % self.ndim for n in ([every] if isinstance(every, int) else every)]
        if 0 in axes:
            raise UnknownOperationError(f"takes the {name} over samples")
        settings = {"axes": axes, "keepdims": keepdims}
        run = getattr(np, name)
        return self._add(name, settings, [self], lambda x: run(x, tuple(axes), keepdims=keepdims))

    def _join(self, name, arrays, axis=0):
        """Return arrays joined along an axis; of a constant that is repeated for each sample, 1."""
        dims = max(x.ndim for x in arrays) + (name == "stack")
        axis = axis % dims
        if axis == 0:
            raise _unknown(f"np.{name} along samples")
        parts = [x if isinstance(x, Traced) else _one_for_all(np.asarray(x)) for x in arrays]

        def run(*values: Array) -> Array:
            n = max(len(value) for value in values)
            values = [np.broadcast_to(v, (n, *v.shape[1:])) for v in values]
            return getattr(np, name)(values, axis=axis)

        return self._add(name, {"axis": axis}, parts, run)


def _one_for_all(x):
    return x[:1] if len(x) > 1 and (x == x[:1]).all() else x


def _key(key, ndim):
    """Return an index as JSON: a number, [start, stop, step], or "new" for each axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [part for part in parts if not isinstance(part, Traced)]:
        at = parts.index(Ellipsis)
        taken = sum(part is not None for part in parts) - 1
        parts[at : at + 1] = [slice(None)] * (ndim - taken)
    found = []
    for part in parts:
        if part is None:
            found.append("new")
        elif isinstance(part, slice):
            found.append([part.start, part.stop, part.step])
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            found.append(int(part))
        else:
            raise UnknownOperationError(f"indexes by {type(part).__name__}")
    return found


def _unknown(what):
    return UnknownOperationError(f"calls {what}, which a demo does not know")
