"""The steps between layers that a page has, by the names of NumPy's functions.

Each is called as the function of NumPy, with the graph and the shape of the result before the
arguments, and returns the `Value` of the node that it adds. ``page/model.js`` computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firstlight.tools.demo.known_layers import Description
from firstlight.tools.tracing.symbolic import Dim
from firstlight.tools.tracing.traced import UntraceableError

if TYPE_CHECKING:
    from firstlight.tools.demo.trace import Graph

ADVISED = ("reshape", "swapaxes", "transpose", "concatenate", "mean", "sum", "max")


class Value(NamedTuple):
    """The output of a node.

    Attributes
    ----------
    node : int
    shape : tuple of int or Dim
    """

    node: int
    shape: tuple[Any, ...]


def elementwise(name: str, graph: Graph, shape: Any, *inputs: Any) -> Value:
    """Apply a function to each number; `matmul` is one for matrices."""
    return graph.add(Description(name), inputs, shape)


def reshape(graph: Graph, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    """Add the node of any function that changes the shape alone; 0 keeps the length of an axis."""
    if not shape or shape[0] != x.shape[0]:
        raise UntraceableError("makes an array whose first axis is not that of the samples")
    new = list(shape)
    for axis, n in enumerate(shape):
        if axis == 0 or (isinstance(n, Dim) and x.shape[axis : axis + 1] == (n,)):
            new[axis] = 0
    if any(isinstance(n, Dim) for n in new):
        raise UntraceableError("moves an axis whose length varies")
    return graph.add(Description("reshape", {"shape": new}), [x], shape)


def transpose(graph: Graph, shape: Any, x: Value, axes: Sequence[int] | None = None) -> Value:
    """Put the axes into another order."""
    order = [axis % len(x.shape) for axis in axes or reversed(range(len(x.shape)))]
    return graph.add(Description("transpose", {"axes": order}), [x], shape)


def swapaxes(graph: Graph, shape: Any, x: Value, axis1: int, axis2: int) -> Value:
    """Swap two axes."""
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(graph, shape, x, order)


def reduced(
    name: str, graph: Graph, shape: Any, x: Value, axis: Any = None, keepdims: bool = False
) -> Value:
    """Take the mean, the sum or the largest along axes."""
    every = range(len(x.shape)) if axis is None else axis
    axes = [n % len(x.shape) for n in ([every] if isinstance(every, int) else every)]
    if 0 in axes:
        raise UntraceableError(f"takes the {name} over samples")
    return graph.add(Description(name, {"axes": axes, "keepdims": keepdims}), [x], shape)


def joined(name: str, graph: Graph, shape: Any, arrays: Sequence[Any], axis: int = 0) -> Value:
    """Join arrays; JavaScript repeats one with a single sample."""
    if axis % len(shape) == 0:
        raise UntraceableError("joins arrays along the axis of samples")
    return graph.add(Description(name, {"axis": axis % len(shape)}), arrays, shape)


def astype(graph: Graph, shape: Any, x: Value, dtype: np.dtype[Any]) -> Value:
    """Return x itself: everything is float32."""
    if dtype.kind != "f":
        raise UntraceableError(f"makes {dtype} of an array, where JavaScript has float32")
    return x


def zeros_like(graph: Graph, shape: Any, x: Value) -> Value:
    """Return 0 x."""
    return graph.add(Description("multiply"), [x, np.float32(0)], shape)


def arange(graph: Graph, shape: Any, stop: Any, **_: Any) -> Value:
    """Count along an axis of the model's input."""
    lengths = graph.nodes[0].shape
    if stop not in lengths:
        raise UntraceableError("counts to what is not the length of an axis of the input")
    return graph.add(
        Description("arange", {"axis": lengths.index(stop)}), [Value(0, lengths)], shape
    )


def getitem(graph: Graph, shape: Any, x: Value, key: Any) -> Value:
    """Take a part of an array."""
    return graph.add(Description("take", {"key": _key(key, len(x.shape))}), [x], shape)


def setitem(graph: Graph, shape: Any, x: Value, key: Any, new: Any, _: Any) -> Value:
    """Put numbers into a part of an array."""
    return graph.add(Description("put", {"key": _key(key, len(x.shape))}), [x, new], shape)


ELEMENTWISE = (
    *("add", "subtract", "multiply", "divide", "power", "negative", "maximum", "minimum"),
    *("exp", "log", "sqrt", "tanh", "absolute", "square", "matmul"),
)
OPERATIONS: dict[str, Callable[..., Value]] = {
    **{name: partial(elementwise, name) for name in ELEMENTWISE},
    **dict.fromkeys(("reshape", "ravel", "squeeze", "expand_dims"), reshape),
    **{name: partial(reduced, name) for name in ("mean", "sum", "max")},
    **{name: partial(joined, name) for name in ("concatenate", "stack")},
    **{f.__name__: f for f in (transpose, swapaxes, astype, zeros_like, arange, getitem, setitem)},
}


def _key(key, ndim):
    """Return an index as JSON: a number, [start, stop, step], or "new" for each axis."""
    parts = list(key) if type(key) is tuple else [key]
    at = next((n for n, part in enumerate(parts) if part is Ellipsis), None)
    if at is not None:
        parts[at : at + 1] = [slice(None)] * (ndim + 1 - sum(part is not None for part in parts))
    found = []
    for part in parts:
        ends = [part.start, part.stop, part.step] if isinstance(part, slice) else [part]
        if not all(n is None or type(n) is int or isinstance(n, np.integer) for n in ends):
            raise UntraceableError("takes an index that is neither a number nor a slice of numbers")
        ends = [n if n is None else int(n) for n in ends]
        found.append("new" if part is None else ends if isinstance(part, slice) else ends[0])
    return found
