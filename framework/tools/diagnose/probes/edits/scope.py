"""What an edit may write: the names in scope of a piece of source, and expressions of its class."""

import ast
import copy
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.edits.syntax import Path

SIZES = 12  # of arrays, that an edit tries as factors


@dataclass
class Scope:
    """Expressions in scope and their values.

    Attributes
    ----------
    values : dict of str to object
        By source, e.g. "x", "self.w.data", "self.eps".
    parts : list of str
        Source of the objects that have a backward.
    results : dict of Path to object
        Values of the expressions in slots, if they were recorded.
    names : dict of str to object
        All names in scope, with which source can be evaluated.
    expressions : dict of str to array
        Further expressions, such as those of another method, that can be written there.
    constants : dict of str to float
        That a tree multiplies something by, such as the weight of a term.
    """

    values: dict[str, Any] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    results: dict[Path, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    expressions: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> "Scope":
        """Return the scope of local names: arrays, numbers, and those in attributes of ``self``."""
        scope = cls(names=dict(names))
        for name, value in names.items():
            scope._add(name, value)
            if name == "self":
                for attribute, inner in vars(value).items():
                    scope._add(f"self.{attribute}", inner)
        return scope

    def _add(self, name, value):
        if hasattr(value, "grad") and hasattr(value, "data"):
            name, value = f"{name}.data", value.data
        if not all(part.isidentifier() for part in name.split(".")):
            return  # the attributes "0", "1", ... of a container cannot be written so
        if is_numeric(value):
            self.values[name] = value
        elif isinstance(value, tuple) and all(isinstance(one, int) for one in value):
            self.values |= {f"{name}[{index}]": one for index, one in enumerate(value)}
        elif hasattr(value, "backward") and name != "self":
            self.parts.append(name)

    def within(self, tree: ast.AST) -> "Scope":
        """Return the part of the scope that a tree reads, and the attributes of ``self``."""
        read = {getattr(node, "id", getattr(node, "arg", None)) for node in ast.walk(tree)}

        def first(text):
            return text.partition(".")[0].partition("[")[0]

        values = {name: value for name, value in self.values.items() if first(name) in read}
        parts = [part for part in self.parts if first(part) in read]
        factors = {
            repr(side.value): side.value
            for node in ast.walk(tree)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
            for side in (node.left, node.right)
            if isinstance(side, ast.Constant) and isinstance(side.value, float)
        }
        return Scope(values, parts, self.results, self.names, self.expressions, factors)

    def arrays(self) -> dict[str, Any]:
        """Return the arrays of at least one axis."""
        return {name: v for name, v in self.values.items() if np.ndim(v)}

    def shares(self) -> list[tuple[str, int]]:
        """Return the arrays whose entries add up to one along an axis, with the axis."""
        return [
            (name, axis - array.ndim if axis == array.ndim - 1 else axis)
            for name, array in self.arrays().items()
            for axis in range(array.ndim)
            if array.shape[axis] > 1
            and array.dtype.kind == "f"
            and np.ptp(array) > 0
            and np.allclose(array.sum(axis=axis), 1)
        ]

    def sizes(self) -> dict[str, float]:
        """Return the numbers that may be factors, each value once: likeliest names first."""
        found = {n: v for n, v in self.values.items() if not np.ndim(v) and _is_number(v)}
        plain = [name for name in found if "." not in name and isinstance(found[name], int)]
        for one, two in itertools.pairwise(plain):
            found[f"({one} * {two})"] = found[one] * found[two]
        arrays = {name: a for name, a in self.arrays().items() if "." not in name}
        for name, array in arrays.items():
            found[f"len({name})"] = len(array)
        for name, array in arrays.items():
            found |= {f"{name}.shape[{i}]": n for i, n in enumerate(array.shape) if i}
            found[f"{name}.size"] = array.size
        for name, array in arrays.items():
            for k in range(2, array.ndim):
                found[f"np.prod({name}.shape[:{k}])"] = int(np.prod(array.shape[:k]))
                found[f"np.prod({name}.shape[1:{k + 1}])"] = int(np.prod(array.shape[1 : k + 1]))
        found |= {"2": 2}
        once: dict[float, str] = {}
        for name, value in found.items():
            if value not in (0, 1, -1):
                once.setdefault(value, name)
        return {name: value for value, name in list(once.items())[:SIZES]}

    def choices(self, letter: str) -> dict[str, Any]:
        """Return what a letter may be, with values: N sizes, K constants, V arrays, P parts."""
        if letter == "P":
            return dict.fromkeys(self.parts)
        if letter == "K":
            return self.constants
        return self.sizes() if letter == "N" else self.arrays()

    def shape(self, text: str) -> tuple[int, ...] | None:
        """Return the shape of a value in scope, None if it is unknown."""
        return np.shape(self.values[text]) if text in self.values else None


@functools.cache
def parsed(text: str) -> ast.expr:
    """Return an expression's syntax tree, to be read only."""
    return ast.parse(text, mode="eval").body


def axes(array: Any, count: int = 4) -> list[ast.expr]:
    """Return the axes, and groups of axes, that a sum may run over: single ones first."""
    count = count if array is None else np.ndim(array)
    plain = [-1 if axis == count - 1 and array is not None else axis for axis in range(count)]
    groups = [g for k in range(2, count) for g in itertools.combinations(range(count), k)]
    return [parsed(str(one)) for one in (*plain, *([-1] if array is None else []), *groups, None)]


def is_numeric(value: Any) -> bool:
    """Return whether a value is an array, a number or a truth value."""
    return isinstance(value, np.ndarray | np.generic | int | float)


def _is_number(value):
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


LONGEST, MOST = 70, 40  # characters of an expression, expressions
PURE = {
    *("sum", "mean", "max", "min", "var", "std", "argmax", "argmin", "reshape", "transpose"),
    *("astype", "swapaxes", "cumsum", "copy", "clip", "dot", "repeat", "any", "all", "ravel"),
}
PLAIN = {"len", "range", "abs", "float", "int", "max", "min", "sum"}
LARGEST = {"max", "amax", "min", "amin"}


def class_expressions(
    trees: Sequence[tuple[ast.AST, Scope]], scope: Scope, names: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Return arrays by the expression that computes them in a scope, each array once.

    Parameters
    ----------
    trees : list of (ast.AST, Scope)
        Of the methods; names of theirs that hold the same as one of the scope are replaced.
    scope : Scope
    names : dict of str to object
        Global names.
    """
    found: dict[str, np.ndarray] = {}
    seen = {_key(array) for array in scope.arrays().values()}
    namespace = {**names, **scope.names}
    for text in dict.fromkeys(_sources(trees, scope)):
        if len(found) == MOST:
            break
        try:
            value = eval(text, namespace)
        except Exception:  # it needs what only another method has
            continue
        is_new = isinstance(value, np.ndarray) and value.ndim and _key(value) not in seen
        if is_new and value.dtype.kind in "biuf" and np.isfinite(value).all():
            seen.add(_key(value))
            found[text] = value
    return found


def selections(scope: Scope) -> dict[str, np.ndarray]:
    """Return masks of the entries that integers select, along the first or last axis.

    They have the shapes of values in scope.
    """
    found: dict[str, np.ndarray] = {}
    shapes = dict.fromkeys(np.shape(value) for value in scope.results.values())
    lengths = {value: name for name, value in scope.values.items() if type(value) is int}
    for name, chosen in scope.arrays().items():
        for shape in shapes if chosen.dtype.kind in "iu" else ():
            if len(shape) == chosen.ndim + 1:
                first, last = (f"np.arange({lengths.get(shape[i], shape[i])})" for i in (0, -1))
                forms = {shape[:-1]: f"({last} == {name}[..., None])"}
                forms[shape[1:]] = f"({first}[:{', None' * chosen.ndim}] == {name})"
                if text := forms.get(chosen.shape):
                    found[text] = eval(text, {"np": np, **scope.names})
    return found


def _key(array):
    return array.shape, array.dtype.kind, array.tobytes()


def _sources(trees, scope) -> Iterator[str]:
    for tree, own in trees:
        twins = _Twins(own, scope)
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp | ast.Compare | ast.Call | ast.UnaryOp) and _is_pure(
                node
            ):
                for made in (_largest(node), node):
                    if made is not None:
                        text = ast.unparse(twins.visit(copy.deepcopy(made)))
                        if len(text) <= LONGEST:
                            yield text


def _is_pure(node):
    """Return whether an expression calls nothing but functions of arrays."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            called = ast.unparse(one.func)
            method = isinstance(one.func, ast.Attribute) and one.func.attr in PURE
            array_function = called.startswith("np.") and called.count(".") == 1
            if not method and not array_function and called not in PLAIN:
                return False
        elif isinstance(
            one, ast.Lambda | ast.NamedExpr | ast.Await | ast.Yield | ast.comprehension
        ):
            return False
    return True


def _largest(node):
    """Return the mask of the largest entries, where an expression takes the largest."""
    match node:
        case ast.Call(ast.Attribute(ast.Name("np"), name), [of, *_]) if name in LARGEST:
            pass
        case ast.Call(ast.Attribute(of, name)) if name in LARGEST:
            pass
        case _:
            return None
    options = [one for one in node.keywords if one.arg != "keepdims"]
    options.append(ast.keyword("keepdims", ast.Constant(True)))
    return ast.Compare(of, [ast.Eq()], [ast.Call(node.func, node.args, options)])


class _Twins(ast.NodeTransformer):
    """Replaces names of one scope by those of another that hold the same array."""

    def __init__(self, own, scope):
        values = {_key(array): name for name, array in scope.arrays().items()}
        self.names = {
            name: values[_key(array)]
            for name, array in own.arrays().items()
            if _key(array) in values
        }

    def visit_Name(self, node):
        text = self.names.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body
