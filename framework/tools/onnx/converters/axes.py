"""Converters of NumPy's functions that move, join and repeat, or make arrays."""

from typing import Any

import numpy as np

from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import writes
from firstlight.tools.tracing.symbolic import Dim, Spread


@writes("reshape")
def reshape(g: Graph, a: Value, shape: Any, *, result: Value) -> Value:
    """Write Reshape."""
    return g.reshaped(a, result.shape)


@writes("ravel", "squeeze", "expand_dims", "atleast_2d")
def reshaped(g: Graph, a: Value, *_: Any, result: Value, **options: Any) -> Value:
    """Write Reshape to the shape that NumPy found."""
    return g.reshaped(a, result.shape)


@writes("transpose", "permute_dims")
def transpose(g: Graph, a: Value, axes: Any = None) -> Value:
    """Write nothing: only the order of the axes changes, until an operator needs another."""
    axes = [n % a.ndim for n in axes or range(a.ndim)[::-1]]
    stored = a.order or range(a.ndim)
    order = tuple(axes.index(axis) for axis in stored)
    return Value(a.name, (), a.dtype, None if order == tuple(range(a.ndim)) else order)


@writes("swapaxes")
def swapaxes(g: Graph, a: Value, axis1: int, axis2: int) -> Value:
    """Change the order of the axes."""
    axes = list(range(a.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(g, a, axes)


@writes("moveaxis")
def moveaxis(g: Graph, a: Value, source: Any, destination: Any) -> Value:
    """Change the order of the axes."""
    moved, places = ((np.atleast_1d(n) % a.ndim).tolist() for n in (source, destination))
    order = [axis for axis in range(a.ndim) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return transpose(g, a, order)


@writes("concatenate", "concat")
def concatenate(g: Graph, arrays: Any, axis: int = 0, *, result: Value) -> Value:
    """Write Concat, in the order of axes that the arrays are stored in if it is one."""
    values = [g.converted(a, result.dtype) for a in arrays]
    names, order = g.aligned(*values)
    axis %= result.ndim
    return Value(g.add("Concat", *names, axis=order.index(axis) if order else axis), order=order)


@writes("stack")
def stack(g: Graph, arrays: Any, axis: int = 0, *, result: Value) -> Value:
    """Write Unsqueeze and Concat."""
    axis %= result.ndim
    names = [g.plain(g.converted(a, result.dtype)) for a in arrays]
    names = [g.add("Unsqueeze", name, g.ints(axis)) for name in names]
    return Value(g.add("Concat", *names, axis=axis))


@writes("split")
def split(g: Graph, ary: Value, indices_or_sections: Any, axis: int = 0) -> list[Value]:
    """Write Split."""
    x, size, parts = g.plain(ary), ary.shape[axis], indices_or_sections
    if isinstance(parts, int):
        return [
            Value(n) for n in _many(g.add("Split", x, outputs=parts, axis=axis, num_outputs=parts))
        ]
    sizes = np.diff([0, *parts, size]).tolist()
    return [
        Value(n) for n in _many(g.add("Split", x, g.ints(*sizes), outputs=len(sizes), axis=axis))
    ]


def _many(names):
    return names if isinstance(names, list) else [names]


@writes("broadcast_to")
def broadcast_to(g: Graph, array: Value, shape: Any, *, result: Value) -> Value:
    """Write Expand."""
    return Value(g.add("Expand", g.plain(array), g.shape(result.shape)))


@writes("repeat")
def repeat(g: Graph, a: Value, repeats: Any, axis: Any = None, *, result: Value) -> Value:
    """Write Unsqueeze, Expand and Reshape."""
    if axis is None or not isinstance(repeats, int):
        raise NotImplementedError("np.repeat without an axis, or with several numbers of repeats")
    axis %= a.ndim
    wide = g.add("Unsqueeze", g.plain(a), g.ints(axis + 1))
    shape = (*a.shape[: axis + 1], repeats, *a.shape[axis + 1 :])
    return g.reshaped(Value(g.add("Expand", wide, g.shape(shape)), shape, a.dtype), result.shape)


@writes("tile")
def tile(g: Graph, A: Value, reps: Any, *, result: Value) -> Value:  # noqa: N803
    """Write Tile."""
    reps = (reps,) if isinstance(reps, (int, Dim)) else tuple(reps)
    rank = max(len(reps), A.ndim)
    x = g.reshaped(A, ((1,) * (rank - A.ndim)) + tuple(A.shape))
    return Value(g.add("Tile", g.plain(x), g.shape((1,) * (rank - len(reps)) + reps)))


@writes("flip")
def flip(g: Graph, m: Value, axis: Any = None) -> Value:
    """Write Slice with negative steps."""
    axes = range(m.ndim) if axis is None else np.atleast_1d(axis).tolist()
    count, last = len(axes), np.iinfo(np.int64).min
    limits = [g.ints(*[-1] * count), g.ints(*[last] * count), g.ints(*axes), g.ints(*[-1] * count)]
    return Value(g.add("Slice", g.plain(m), *limits))


@writes("roll")
def roll(g: Graph, a: Value, shift: Any, axis: Any = None) -> Value:
    """Write two Slice and Concat."""
    if not isinstance(shift, int) or not isinstance(axis, int):
        raise NotImplementedError("np.roll by several shifts, or without an axis")
    x, end, at = g.plain(a), g.ints(np.iinfo(np.int64).max), g.ints(axis)
    if not isinstance(a.shape[axis], int):
        raise NotImplementedError("np.roll along an axis of varying size")
    start = -shift % a.shape[axis]
    parts = [
        g.add("Slice", x, g.ints(start), end, at),
        g.add("Slice", x, g.ints(0), g.ints(start), at),
    ]
    return Value(g.add("Concat", *parts, axis=axis % a.ndim))


@writes("pad")
def pad(g: Graph, array: Value, pad_width: Any, mode: str = "constant", **options: Any) -> Value:
    """Write Pad."""
    if mode not in ("constant", "edge", "reflect"):
        raise NotImplementedError(f"np.pad with mode={mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2))
    order = list(array.order or range(array.ndim))
    pads = g.ints(*widths[order].T.ravel().tolist())
    value = [] if mode != "constant" else [g.number(options.get("constant_values", 0), array.dtype)]
    return Value(g.add("Pad", array.name, pads, *value, mode=mode), order=array.order)


@writes("take")
def take(g: Graph, a: Any, indices: Any, axis: Any = None) -> Value:
    """Write Gather."""
    if axis is None:
        raise NotImplementedError("np.take without an axis")
    a, at = g.value(a), g.converted(indices, np.int64)
    return Value(g.add("Gather", g.plain(a), g.plain(at), axis=axis))


@writes("zeros_like")
def zeros_like(g: Graph, a: Value, *_: Any, result: Value, **options: Any) -> Value:
    """Write a constant, expanded to sizes that vary."""
    return _full(g, 0, result)


@writes("ones_like")
def ones_like(g: Graph, a: Value, *_: Any, result: Value, **options: Any) -> Value:
    """Write a constant, expanded to sizes that vary."""
    return _full(g, 1, result)


@writes("full_like")
def full_like(g: Graph, a: Any, fill_value: Any, *_: Any, result: Value, **options: Any) -> Value:
    """Write a constant, expanded to sizes that vary."""
    return _full(g, fill_value, result)


def _full(g, number, result):
    if isinstance(number, Value):
        return Value(g.add("Expand", g.plain(number), g.shape(result.shape)))
    small = np.full((1,) * result.ndim, number, result.dtype)
    if any(isinstance(n, Dim) for n in result.shape):
        return g.value(Spread(small, result.shape))
    return g.value(np.broadcast_to(small, result.shape))


@writes("arange")
def arange(g: Graph, *limits: Any, result: Value, **options: Any) -> Value:
    """Write a constant, or Range for a size that varies."""
    start, stop, step = (0, *limits, 1) if len(limits) == 1 else (*limits, 1)[:3]
    if not any(isinstance(n, (Dim, Value)) for n in (start, stop, step)):
        return g.value(np.arange(start, stop, step, result.dtype))
    names = [g.plain(g.converted(n, np.int64)) for n in (start, stop, step)]
    return Value(g.cast(g.add("Range", *names), np.int64, result.dtype))


@writes("triu")
def triu(g: Graph, m: Value, k: Any = 0) -> Value:
    """Write Trilu."""
    return _triangle(g, m, k, 1)


@writes("tril")
def tril(g: Graph, m: Value, k: Any = 0) -> Value:
    """Write Trilu."""
    return _triangle(g, m, k, 0)


def _triangle(g, m, k, upper):
    return Value(g.add("Trilu", g.plain(g.value(m)), g.value(k).name, upper=upper))
