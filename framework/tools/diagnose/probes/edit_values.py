"""Edits that take from elsewhere: a value of the class, an index or a call of the same source."""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.edit_moves import Move, StatementMove, is_value
from firstlight.tools.diagnose.probes.scope import Scope, parsed
from firstlight.tools.diagnose.probes.syntax import Slot, same


def taken_moves(slot: Slot, scope: Scope) -> Iterator[Move]:
    """Yield arrays in scope, and expressions of the class, in place of an expression."""
    known = scope.results.get(slot.path)
    if np.ndim(known) == 0:
        return
    if not is_value(slot.node):
        for text, value in scope.arrays().items():
            if np.shape(value) == known.shape:
                yield 2, "operand", parsed(text)
    for text, value in scope.expressions.items():
        is_mask = value.dtype == bool
        if is_mask and slot.role == "compared" or not broadcasts(value, known):
            continue
        if value.shape == known.shape and not np.array_equal(value, known):
            mistake = "condition" if is_mask else "operand"
            yield 2, "factor" if _has_factor(parsed(text), slot.node) else mistake, parsed(text)
        elif value.shape != known.shape and slot.role in ("factor", "divisor", "term"):
            yield 3, "operand", parsed(text)
        if slot.role == "term":
            product = ast.BinOp(slot.node, ast.Mult(), parsed(text))
            yield 3, "condition" if is_mask else "factor", product


def _has_factor(product, node):
    return any(same(one, node) for _, one in factors_of(product))


def whole_moves(statement: ast.stmt, scope: Scope) -> Iterator[StatementMove]:
    """Yield ``d -= v`` of all entries in place of ``d[i] -= 1``."""
    match statement:
        case ast.AugAssign(ast.Subscript(ast.Name(name)), op, _):
            shape = scope.shape(name)
            for text, value in {**scope.arrays(), **scope.expressions}.items():
                if shape is not None and text != name and np.shape(value) == shape:
                    target = ast.Name(name, ast.Store())
                    yield 2, "operand", [ast.AugAssign(target, op, parsed(text))], 1


def place_moves(slot: Slot, tree: ast.AST, scope: Scope) -> Iterator[Move]:
    """Yield the other indices of a tree in place of one, and what a constant may stand for."""
    node = slot.node
    if slot.path[-1] == ("slice", None):
        for other in ast.walk(tree):
            if isinstance(other, ast.Subscript):
                yield 1, "index", other.slice
    if not isinstance(node, ast.Constant):
        return
    if slot.role == "index" and isinstance(node.value, int):
        for name, value in scope.values.items():
            if isinstance(value, int) and name.isidentifier():
                yield 0, "index", parsed(name)
    elif node.value == 0 and slot.path == (*slot.block, ("value", None)):
        for name, value in scope.arrays().items():
            for axis in range(np.ndim(value) if np.ndim(value) > 1 else 0):
                yield 1, "term", parsed(f"-{name}.sum(axis={axis})")


def joined_moves(statement: ast.stmt, following: ast.stmt | None) -> Iterator[StatementMove]:
    """Yield a call with the sum of its argument and a result that is not used: f(g() + h())."""
    match statement, following:
        case ast.Expr(ast.Call() as one), ast.Expr(ast.Call(function, [ast.Call() as other], [])):
            both = ast.BinOp(one, ast.Add(), other)
            yield 0, "unused", [ast.Expr(ast.Call(function, [both], []))], 2


def broadcasts(value: Any, other: Any) -> bool:
    """Return whether an array can take the shape of another one."""
    try:
        return np.broadcast_shapes(np.shape(value), np.shape(other)) == np.shape(other)
    except ValueError:
        return False


def factors_of(node: ast.expr) -> list[tuple[type[ast.operator], ast.expr]]:
    """Return ``(operator, factor)`` of a product or quotient, from left to right."""
    match node:
        case ast.BinOp(left, ast.Mult() | ast.Div() as op, right):
            inner = factors_of(right) if isinstance(op, ast.Mult) else [(ast.Mult, right)]
            return [*factors_of(left), (type(op), inner[0][1]), *inner[1:]]
    return [(ast.Mult, node)]
