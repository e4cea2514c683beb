"""The ONNX graph under construction, and the values that converters take and return.

A `Value` may be stored with its axes in another order than firstlight has them: channels first, as
ONNX's convolutions want it. A converter asks for the order that it needs, and a Transpose is added
only then, so the transpositions between two convolutions never come into being.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from firstlight.tools.onnx.nodes import Nodes
from firstlight.tools.tracing.symbolic import Dim, Spread


@dataclass(frozen=True)
class Value:
    """An array of the graph.

    Attributes
    ----------
    name : str
        Of the ONNX tensor.
    shape : tuple of int or Dim
        In firstlight's order of axes.
    dtype : numpy.dtype
    order : tuple of int, or None
        The tensor's axes: tensor = array.transpose(order). None if they are firstlight's.
    constant : array or None
        The numbers of a constant, of firstlight's order.
    """

    name: str
    shape: tuple[Any, ...] = ()
    dtype: Any = None
    order: tuple[int, ...] | None = None
    constant: Any = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


class Graph(Nodes):
    """A graph with values; the methods that converters use."""

    def value(self, item: Any, dtype: Any = None) -> Value:
        """Return an argument of a NumPy function as a value."""
        if isinstance(item, Value):
            return item
        if isinstance(item, Dim):
            name = self.cast(self.add("Squeeze", self.size(item), self.ints(0)), np.int64, dtype)
            return Value(name, (), np.dtype(dtype or np.int64))
        if isinstance(item, Spread):
            small = self.value(item.array, dtype)
            return Value(
                self.add("Expand", small.name, self.shape(item.shape)), item.shape, small.dtype
            )
        array = np.asarray(item, dtype)
        return Value(self.named(array), array.shape, array.dtype, constant=array)

    def finished(self, value: Value, name: str) -> Value:
        """Return an output of the graph under its name."""
        plain = self.plain(value)
        made = next((n for n in self.nodes if plain in n.output), None)
        if made is None or plain in self.outputs:
            self.nodes.append(_identity(plain, name))
        else:
            for node in self.nodes:
                for names in (node.input, node.output):
                    for index, one in enumerate(names):
                        if one == plain:
                            names[index] = name
        self.outputs.add(name)
        self.renamed[plain] = name
        return replace(value, name=name, order=None)

    # --- sizes ------------------------------------------------------------------------------

    def size(self, dim: Any) -> str:
        """Return the name of a tensor (1,) with an int or a `Dim`."""
        if not isinstance(dim, Dim):
            return self.ints(int(dim))

        def make():
            made = None
            for name, power in dim.powers:
                source, axis = self.sizes[name]
                one = self.add("Shape", source, start=axis, end=axis + 1)
                for _ in range(abs(power)):
                    made = (
                        one if made is None else self.add("Mul" if power > 0 else "Div", made, one)
                    )
            factor = dim.factor
            if factor.numerator != 1:
                made = self.add("Mul", made, self.ints(factor.numerator))
            return (
                self.add("Div", made, self.ints(factor.denominator))
                if factor.denominator > 1
                else made
            )

        with self.inside("sizes"):
            return self.cached(dim, make)

    def shape(self, shape: Sequence[Any]) -> str:
        """Return the name of a tensor with a shape."""
        if not any(isinstance(n, Dim) for n in shape):
            return self.ints(*shape)
        return self.cached(
            ("shape", tuple(shape)),
            lambda: (
                self.add("Concat", *map(self.size, shape), axis=0)
                if len(shape) > 1
                else self.size(shape[0])
            ),
        )

    def reshaped(self, x: Value, shape: Sequence[Any]) -> Value:
        """Return a value with another shape."""
        shape = tuple(shape)
        if shape == x.shape:
            return x
        copied = [isinstance(n, Dim) and n == m for n, m in zip(shape, x.shape, strict=False)]
        copied += [False] * (len(shape) - len(copied))
        numbers = [0 if c else n for n, c in zip(shape, copied, strict=True)]
        if sum(isinstance(n, Dim) for n in numbers) == 1 and 0 not in shape:
            numbers = [-1 if isinstance(n, Dim) else n for n in numbers]
        if any(isinstance(n, Dim) for n in numbers) or 0 in shape:
            target = self.shape(shape)
        else:
            target = self.ints(*numbers)
        return Value(self.add("Reshape", self.plain(x), target), shape, x.dtype)

    # --- order of axes ----------------------------------------------------------------------

    def ordered(self, x: Value, order: tuple[int, ...] | None) -> str:
        """Return the name of the tensor x.transpose(order), which is made once."""
        if order == x.order:
            return x.name
        if x.constant is not None:
            return self.constant(x.constant.transpose(order or range(x.ndim)))
        perm = _between(x, order)
        return self.cached(
            ("order", x.name, *perm), lambda: self.add("Transpose", x.name, perm=perm)
        )

    def _has(self, x, order):
        """Return whether x with an order of axes is there already."""
        return order == x.order or ("order", x.name, *_between(x, order)) in self._cache

    def plain(self, x: Value) -> str:
        """Return the name of a tensor with firstlight's order of axes."""
        return self.ordered(x, None)

    def channels_first(self, x: Value) -> str:
        """Return the name of a tensor with axis 1 for the channels, firstlight's last."""
        return self.ordered(x, first_order(x.ndim))

    def from_channels_first(self, name: str, x: Value) -> Value:
        """Return a tensor whose channels come first as a value with as many axes as x."""
        return Value(name, x.shape, x.dtype, first_order(x.ndim))

    def unary(self, op: str, x: Value, **attributes: Any) -> Value:
        """Return a function of each number of x."""
        return replace(x, name=self.add(op, x.name, **attributes), constant=None)

    def aligned(self, *values: Value) -> tuple[list[str], tuple[int, ...] | None]:
        """Return names of tensors for an elementwise operator, and the common order of axes."""
        rank = max(value.ndim for value in values)
        arrays = [value for value in values if value.constant is None and value.ndim]
        orders = [value.order for value in arrays if value.order]
        if any(value.ndim < rank for value in arrays):
            orders = []

        def missing(order):
            return sum(not self._has(value, order) for value in arrays)

        best = min([*orders, None], key=missing)
        if best is None:
            return [self.plain(value) for value in values], None
        names = []
        for value in values:
            if value.constant is None or not value.ndim:
                names.append(self.ordered(value, best) if value.ndim else value.name)
                continue
            wide = value.constant.reshape((1,) * (rank - value.ndim) + value.constant.shape)
            names.append(self.constant(wide.transpose(best)))
        return names, best

    def elementwise(self, op: str, *values: Value, **attributes: Any) -> Value:
        """Return an operator on values that are broadcast."""
        names, order = self.aligned(*values)
        widest = max(values, key=lambda value: value.ndim)
        return Value(self.add(op, *names, **attributes), widest.shape, values[0].dtype, order)

    def cast(self, name: str, old: Any, new: Any) -> str:
        """Return the name of a tensor with another dtype."""
        from onnx import helper

        if new is None or np.dtype(old) == np.dtype(new):
            return name
        return self.add("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(new)))

    def converted(self, item: Any, dtype: Any) -> Value:
        """Return an argument as a value of a dtype."""
        if not isinstance(item, Value):
            return self.value(item, dtype)
        if item.dtype == dtype:
            return item
        if item.constant is not None:
            return self.value(item.constant, dtype)
        return replace(item, name=self.cast(item.name, item.dtype, dtype), dtype=np.dtype(dtype))


@dataclass
class Written:
    """A graph, and where the arrays of the recorded pass are in it.

    Attributes
    ----------
    graph : Graph
    inputs, outputs : list of Value
    values : dict of int to Value
        By `Ref`'s index.
    """

    graph: Graph
    inputs: list[Value]
    outputs: list[Value]
    values: dict[int, Value]


def first_order(rank: int) -> tuple[int, ...] | None:
    """Return the order of axes that moves the last to place 1; None if it is there."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 2 else None


def _between(x, order):
    """Return the permutation of x's tensor that gives an order of axes."""
    stored = x.order or tuple(range(x.ndim))
    return [stored.index(axis) for axis in order or range(x.ndim)]


def _identity(old, new):
    from onnx import helper

    return helper.make_node("Identity", [old], [new], name=new)
