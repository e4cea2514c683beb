"""Converters of indexing, ``x[key]`` and ``x[key] = y``."""

from dataclasses import replace
from typing import Any

import numpy as np

from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import writes
from firstlight.tools.tracing.symbolic import Spread

END = np.iinfo(np.int64).max


@writes("getitem")
def getitem(g: Graph, x: Value, key: Any, *, result: Value) -> Value:
    """Write Slice for slices, Gather for one array of indices, and drop or add axes."""
    key = _full_key(key, x.ndim)
    arrays = [n for n, k in enumerate(_axes_of(key)) if isinstance(k, (Value, np.ndarray, list))]
    if arrays:
        return _gathered(g, x, key, arrays)
    sliced = _sliced(g, x, list(map(_as_slice, _axes_of(key))))
    if all(isinstance(k, slice) for k in key):
        return sliced
    name, axis, dropped, added = g.plain(sliced), 0, [], []
    for k in key:
        if k is None:
            added.append(axis - len(dropped) + len(added))
            continue
        if not isinstance(k, slice):
            dropped.append(axis)
        axis += 1
    name = g.add("Squeeze", name, g.ints(*dropped)) if dropped else name
    return Value(g.add("Unsqueeze", name, g.ints(*added)) if added else name)


@writes("setitem")
def setitem(g: Graph, x: Value, key: Any, new: Any, region: Any, *, result: Value) -> Value:
    """Write Slice and Concat: what is before the part, the new part, and what is behind it."""
    key = _full_key(key, x.ndim)
    if any(k is None or isinstance(k, (Value, np.ndarray, list, Spread)) for k in key):
        raise NotImplementedError("assignment by arrays of indices or masks; use np.where")
    if any(isinstance(k, slice) and k.step not in (None, 1) for k in key):
        raise NotImplementedError("assignment with steps; build the array with np.concatenate")
    new = g.converted(new, x.dtype)
    kept = [n for n, k in enumerate(key) if isinstance(k, slice)]
    wide = [1] * x.ndim
    for axis, size in zip(kept, region, strict=True):
        wide[axis] = size
    if new.shape != tuple(region):
        new = Value(g.add("Expand", g.plain(new), g.shape(region)), tuple(region), x.dtype)
    if len(kept) < x.ndim:
        new = g.reshaped(new, wide)
    slices = [_as_slice(k) for k in key]
    order = x.order or tuple(range(x.ndim))
    name = g.ordered(new, x.order)
    axes = [a for a in range(x.ndim) if slices[order[a]] != slice(None)]
    return replace(
        x, name=_joined(g, x.name, name, [slices[n] for n in order], axes), constant=None
    )


def _joined(g, x, new, slices, axes):
    """Return x with new in place of a part; the axes are those of the tensors."""
    if not axes:
        return new
    axis, *others = axes
    start, stop = slices[axis].start or 0, slices[axis].stop
    stop = END if stop is None else stop
    at = g.ints(axis)
    bounds = [(0, start), (start, stop), (stop, END)]
    before, inside, behind = (
        g.add("Slice", x, g.size(a), g.size(b), at) if (a, b) not in ((0, 0), (END, END)) else ""
        for a, b in bounds
    )
    inside = _joined(g, inside, new, slices, others)
    return g.add("Concat", *filter(None, (before, inside, behind)), axis=axis)


def _full_key(key, rank):
    """Return a key as a list with a slice for each axis that it does not name."""
    key = list(key) if isinstance(key, tuple) else [key]
    named = sum(k is not None and k is not Ellipsis for k in key)
    rest = [slice(None)] * (rank - named)
    at = next((n for n, k in enumerate(key) if k is Ellipsis), len(key))
    return key[:at] + rest + key[at + 1 :]


def _axes_of(key):
    return [k for k in key if k is not None]


def _as_slice(k):
    """Return a slice of one for an index."""
    if isinstance(k, slice):
        return k
    return slice(k, None if k == -1 else k + 1) if isinstance(k, (int, np.integer)) else k


def _sliced(g, x, slices):
    """Return x[slices], of the order of axes in which x is stored."""
    order = x.order or tuple(range(x.ndim))
    cut = [a for a in range(x.ndim) if slices[order[a]] not in (slice(None), slice(None, None, 1))]
    if not cut:
        return x
    parts = []
    for a in cut:
        s = slices[order[a]]
        back = isinstance(s.step, int) and s.step < 0
        first, last = (-1, -END) if back else (0, END)
        parts.append([first if s.start is None else s.start, last if s.stop is None else s.stop])
    starts, ends = (g.shape([p[n] for p in parts]) for n in (0, 1))
    steps = [slices[order[a]].step or 1 for a in cut]
    more = [] if steps == [1] * len(cut) else [g.ints(*steps)]
    return replace(x, name=g.add("Slice", x.name, starts, ends, g.ints(*cut), *more), constant=None)


def _gathered(g, x, key, arrays):
    if len(arrays) > 1 or len(key) > x.ndim or any(isinstance(k, int) for k in key):
        raise NotImplementedError("several indices with an array of indices; use np.take")
    axis, index = arrays[0], _axes_of(key)[arrays[0]]
    if (index.dtype if isinstance(index, Value) else np.asarray(index).dtype).kind == "b":
        raise NotImplementedError("a mask as index, whose number of entries varies; use np.where")
    slices = [slice(None) if n == axis else k for n, k in enumerate(key)]
    name = g.plain(_sliced(g, x, slices))
    return Value(g.add("Gather", name, g.plain(g.converted(index, np.int64)), axis=axis))
