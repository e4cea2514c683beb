"""Converters of NumPy's elementwise functions, products and reductions."""

from typing import Any

import numpy as np

from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import writes
from firstlight.tools.tracing.symbolic import Dim, Spread

ARITHMETIC = {
    **{"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow"},
    **{"float_power": "Pow", "maximum": "Max", "minimum": "Min"},
    **{"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"},
    **{"bitwise_and": "And", "bitwise_or": "Or"},  # of booleans
}
COMPARISONS = {
    **{"equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual"},
    **{"less": "Less", "less_equal": "LessOrEqual"},
}
UNARY = {
    **{"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan"},
    **{"sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "arcsin": "Asin", "arccos": "Acos"},
    **{"arctan": "Atan", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh"},
    **{"negative": "Neg", "absolute": "Abs", "fabs": "Abs", "sign": "Sign", "floor": "Floor"},
    **{"ceil": "Ceil", "rint": "Round", "reciprocal": "Reciprocal"},
    **{"isnan": "IsNaN", "isinf": "IsInf", "logical_not": "Not", "invert": "Not"},
}
REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin"}
REDUCTIONS |= {"prod": "ReduceProd", "amax": "ReduceMax", "amin": "ReduceMin"}


def _operands(g, *items):
    """Return arguments as values of the dtype that NumPy computes with."""
    dtype = np.result_type(*map(_kind, items))
    return [g.converted(item, dtype) for item in items]


def _kind(item):
    """Return a dtype, or a number of Python, whose type gives way to that of arrays."""
    if isinstance(item, Dim):
        return 1
    if isinstance(item, Spread):
        item = item.array
    return item.dtype if isinstance(item, (Value, np.ndarray, np.generic)) else item


for _name, _op in (ARITHMETIC | COMPARISONS).items():

    @writes(_name)
    def binary(g: Graph, x: Any, y: Any, *, op: str = _op) -> Value:
        """Write an operator on two arrays."""
        return g.elementwise(op, *_operands(g, x, y))


for _name, _op in UNARY.items():

    @writes(_name)
    def unary(g: Graph, x: Value, *, op: str = _op) -> Value:
        """Write a function of each number."""
        return g.unary(op, x)


@writes("positive", "copy")
def same(g: Graph, x: Value) -> Value:
    """Write nothing."""
    return x


@writes("not_equal")
def not_equal(g: Graph, x: Any, y: Any) -> Value:
    """Write Equal and Not."""
    return g.unary("Not", g.elementwise("Equal", *_operands(g, x, y)))


@writes("square")
def square(g: Graph, x: Value) -> Value:
    """Write x x."""
    return g.elementwise("Mul", x, x)


@writes("expm1")
def expm1(g: Graph, x: Value) -> Value:
    """Write exp(x) - 1."""
    return g.elementwise("Sub", g.unary("Exp", x), g.value(1, x.dtype))


@writes("log1p")
def log1p(g: Graph, x: Value) -> Value:
    """Write log(1 + x)."""
    return g.unary("Log", g.elementwise("Add", x, g.value(1, x.dtype)))


@writes("where")
def where(g: Graph, condition: Any, x: Any, y: Any) -> Value:
    """Write Where."""
    return g.elementwise("Where", g.converted(condition, np.bool_), *_operands(g, x, y))


@writes("clip")
def clip(g: Graph, a: Value, a_min: Any = None, a_max: Any = None, **limits: Any) -> Value:
    """Write Max and Min."""
    low, high = (limits.get(n, v) for n, v in (("min", a_min), ("max", a_max)))
    for op, limit in (("Max", low), ("Min", high)):
        a = a if limit is None else g.elementwise(op, *_operands(g, a, limit))
    return a


@writes("astype")
def astype(g: Graph, x: Value, dtype: Any) -> Value:
    """Write Cast."""
    return g.converted(x, dtype)


@writes("asarray", "array", "ascontiguousarray")
def asarray(g: Graph, a: Any, dtype: Any = None, *, like: Any = None) -> Value:
    """Write a constant, or the array itself."""
    return g.converted(a, np.dtype(dtype) if dtype else getattr(a, "dtype", np.asarray(a).dtype))


@writes("matmul", "dot")
def matmul(g: Graph, x: Any, y: Any) -> Value:
    """Write MatMul."""
    a, b = (g.plain(value) for value in _operands(g, x, y))
    return Value(g.add("MatMul", a, b))


@writes("einsum")
def einsum(g: Graph, equation: str, *operands: Any, optimize: Any = False) -> Value:
    """Write Einsum."""
    names = [g.plain(value) for value in _operands(g, *operands)]
    return Value(g.add("Einsum", *names, equation=equation))


def _axes(g, axis):
    if axis is None:
        return []
    return [g.ints(*(axis if isinstance(axis, (tuple, list)) else (axis,)))]


def _reduced(g, op, a, axis, keepdims, dtype=None):
    if a.dtype.kind == "b":
        a = g.converted(a, np.int64)
    if dtype is not None:
        a = g.converted(a, np.dtype(dtype))
    keep = int(keepdims is True)
    return Value(g.add(op, g.plain(a), *_axes(g, axis), keepdims=keep), dtype=a.dtype)


for _name, _op in REDUCTIONS.items():

    @writes(_name)
    def reduction(
        g: Graph,
        a: Value,
        axis: Any = None,
        dtype: Any = None,
        *,
        keepdims: Any = False,
        op: str = _op,
    ) -> Value:
        """Write a reduction."""
        if op in ("ReduceMax", "ReduceMin"):
            return _reduced(g, op, a, axis, keepdims)
        if op == "ReduceMean" and a.dtype.kind in "iub" and dtype is None:
            dtype = np.float64
        return _reduced(g, op, a, axis, keepdims, dtype)


for _name, _op in {"any": "ReduceMax", "all": "ReduceMin"}.items():

    @writes(_name)
    def logical(
        g: Graph, a: Value, axis: Any = None, *, keepdims: Any = False, op: str = _op
    ) -> Value:
        """Write the reduction of 0 and 1."""
        numbers = g.converted(g.converted(a, np.bool_), np.int32)
        return g.converted(_reduced(g, op, numbers, axis, keepdims), np.bool_)


@writes("var")
def variance(
    g: Graph, a: Value, axis: Any = None, *, ddof: int = 0, keepdims: Any = False
) -> Value:
    """Write the mean of the squared deviations."""
    if ddof:
        raise NotImplementedError(f"ddof={ddof}; write the formula")
    centred = g.elementwise(
        "Sub", a, Value(g.add("ReduceMean", g.plain(a), *_axes(g, axis)), a.shape, a.dtype)
    )
    return _reduced(g, "ReduceMean", g.elementwise("Mul", centred, centred), axis, keepdims)


@writes("std")
def deviation(
    g: Graph, a: Value, axis: Any = None, *, ddof: int = 0, keepdims: Any = False
) -> Value:
    """Write the root of the variance."""
    return g.unary("Sqrt", variance(g, a, axis, ddof=ddof, keepdims=keepdims))


@writes("argmax")
def argmax(g: Graph, a: Value, axis: Any = None, *, keepdims: Any = False) -> Value:
    """Write ArgMax."""
    return _place(g, "ArgMax", a, axis, keepdims)


@writes("argmin")
def argmin(g: Graph, a: Value, axis: Any = None, *, keepdims: Any = False) -> Value:
    """Write ArgMin."""
    return _place(g, "ArgMin", a, axis, keepdims)


def _place(g, op, a, axis, keepdims):
    if axis is None:
        raise NotImplementedError(f"{op} without an axis; reshape to (N, -1), and pass axis=1")
    return Value(g.add(op, g.plain(a), axis=axis, keepdims=int(keepdims is True)), dtype=np.int64)


@writes("cumsum")
def cumsum(g: Graph, a: Value, axis: Any = None) -> Value:
    """Write CumSum."""
    return Value(g.add("CumSum", g.plain(a), g.number(axis, np.int64)))
