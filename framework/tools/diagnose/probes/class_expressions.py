"""The expressions that the methods of a class compute, as one of them could write them."""

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.scope import Scope

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
