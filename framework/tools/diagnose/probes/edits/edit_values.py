"""Edits that take a value, an index or factors from elsewhere, and the same edit at all places."""

import ast
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.edits.edit_moves import Move, StatementMove, is_value
from firstlight.tools.diagnose.probes.edits.scope import Scope, parsed
from firstlight.tools.diagnose.probes.edits.syntax import Path, Slot, replaced, same


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
    if isinstance(node, ast.Slice):
        yield from _bounds(node, scope)
    elif slot.role == "index" and isinstance(node, ast.Name):
        for name in _counts(scope):
            for op in (ast.Mult, ast.Add, ast.Sub, ast.FloorDiv):
                yield 2, "index", ast.BinOp(node, op(), parsed(name))
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    if not isinstance(inner, ast.Constant) or isinstance(inner.value, bool | str | None):
        return
    if node is inner:
        yield from _of_constant(slot, scope)
    if slot.path == (*slot.block, ("value", None)):
        for name, value in scope.arrays().items():
            for axis in range(np.ndim(value) if np.ndim(value) > 1 else 0):
                for sign in "-", "":
                    yield 1, "term", parsed(f"{sign}{name}.sum(axis={axis})")


def _of_constant(slot, scope):
    """Yield scalars and arrays in scope in place of a constant."""
    if slot.role == "index":
        yield from ((0, "index", parsed(name)) for name in _counts(scope))
    elif slot.role not in ("axis", "option"):
        for name, value in scope.values.items():
            if np.ndim(value) == 0 and value not in (slot.node.value, True):
                yield 1, "operand", parsed(name)
            elif np.ndim(value) and slot.role != "exponent":
                yield 3, "operand", parsed(name)
        if slot.path == (*slot.block, ("value", None)):
            for name, form in itertools.product(scope.values, FUNCTIONS):
                yield 3, "derivative", _filled(form, v=parsed(name))


def _counts(scope):
    """Return the whole numbers in scope that have a name, one name for each value."""
    found: dict[int, str] = {}
    for name in sorted(scope.values, key=lambda name: "." in name):
        if type(scope.values[name]) is int and "[" not in name:
            found.setdefault(scope.values[name], name)
    return list(found.values())


def _bounds(node, scope):
    """Yield slices with other bounds: whole numbers in scope, from both ends."""
    ends = [(parsed(name), parsed(f"-{name}")) for name in _counts(scope)]
    for low, high in ends:
        yield 1, "index", ast.Slice(low, high, node.step)
    for end in (None, *itertools.chain(*ends)):
        yield 2, "index", ast.Slice(end, node.upper, node.step)
        yield 2, "index", ast.Slice(node.lower, end, node.step)


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


Change = tuple[Path, ast.AST, ast.AST]  # where, old and new node
SHARES = (
    "v * (d - (v * d).sum(axis={axis}, keepdims=True))",
    "d - v * d.sum(axis={axis}, keepdims=True)",
)
DERIVATIVES = "v * (1 - v)", "1 - v ** 2", "v ** 2", "v > 0"
FUNCTIONS = "1 / (1 + np.exp(-v))", "np.exp(v)", "np.tanh(v)", "np.exp(-v)", "1 / v", "v > 0"


def group_moves(slot: Slot, scope: Scope) -> Iterator[Move]:
    """Yield a product without its last factors, or with others in their place.

    Every product of more factors has a slot of its own for each product that it begins with.
    """
    node = slot.node
    factors = factors_of(node)
    value = scope.results.get(slot.path)
    yield from _of_shares(node, factors, value, scope)
    arrays = {n: a for n, a in scope.arrays().items() if value is None or broadcasts(a, value)}
    for count in range(1, len(factors) if isinstance(node, ast.BinOp) else 0):
        kept, dropped = factors[:-count], factors[-count:]
        if count > 1:
            yield 1, "factor", _product(kept)
        if dropped[0][0] is ast.Div:
            continue
        is_derivative = _is_derivative(dropped)
        if count > 1 or not isinstance(dropped[0][1], ast.Name | ast.Attribute):
            for name in arrays:
                yield (
                    2,
                    "derivative" if is_derivative else "operand",
                    _product([*kept, (ast.Mult, parsed(name))]),
                )
        for name in arrays if is_derivative else ():
            for form in DERIVATIVES:
                new = _filled(form, v=parsed(name))
                yield 2, "derivative", _product([*kept, (ast.Mult, new)])


def _of_shares(node, factors, value, scope) -> Iterator[Move]:
    """Yield a gradient d through shares v that add up to one, as those of a softmax."""
    if np.ndim(value) == 0:
        return
    for name, axis in scope.shares():
        if np.shape(scope.values[name]) != np.shape(value):
            continue
        others = [(op, one) for op, one in factors if not _reads(one, name)]
        behind = [(op, one) for op, one in others if op is ast.Div]
        others = [(op, one) for op, one in others if op is ast.Mult]
        if others and "sum(" not in " ".join(ast.unparse(one) for _, one in others):
            for form in SHARES:
                new = _filled(form.format(axis=axis), v=parsed(name), d=_product(others))
                rank = 3 - (len(others) < len(factors)) - _is_derivative(factors)
                mistake = "derivative" if _is_derivative(factors) else "term"
                yield rank, mistake, _product([(ast.Mult, new), *behind])


def _is_derivative(factors):
    text = " ".join(ast.unparse(one) for _, one in factors)
    return "1 - " in text or "**" in text


def _reads(node, name):
    return any(
        isinstance(one, ast.Name | ast.Attribute) and ast.unparse(one) == name
        for one in ast.walk(node)
    )


def _product(factors):
    made = factors[0][1]
    for op, one in factors[1:]:
        made = ast.BinOp(made, op(), one)
    return made


class _Filling(ast.NodeTransformer):
    def __init__(self, nodes):
        self.nodes = nodes

    def visit_Name(self, node):
        return self.nodes.get(node.id, node)


def _filled(form, **nodes):
    return _Filling(nodes).visit(ast.parse(form, mode="eval").body)


def same_change(changes: Iterable[Change]) -> dict[Any, list[Change]]:
    """Return groups of changes that do the same to different nodes, by what they do."""
    groups: dict[Any, dict[Path, Change]] = {}
    for path, old, new in changes:
        what = _difference(old, new)
        if what is not None:
            groups.setdefault(what, {}).setdefault(path, (path, old, new))
    return {what: list(group.values()) for what, group in groups.items() if len(group) > 1}


def changed(tree: Any, changes: Iterable[Change]) -> Any:
    """Return a copy of a tree with several nodes replaced; outer changes win over inner ones."""
    done: list[Path] = []
    for path, _, new in sorted(changes, key=lambda one: len(one[0])):
        if not any(path[: len(outer)] == outer for outer in done):
            tree = replaced(tree, path, [new])
            done.append(path)
    return tree


def _difference(old, new):
    """Return the innermost difference of two nodes, None if it is in several children."""
    if type(old) is not type(new) or isinstance(old, ast.Name | ast.Constant):
        return ast.dump(old), ast.dump(new)
    differing = []
    for name in old._fields:
        one, other = getattr(old, name, None), getattr(new, name, None)
        pairs = [(one, other)]
        if isinstance(one, list):
            if len(one) != len(other):
                differing.append((name, str(list(map(_read, one))), str(list(map(_read, other)))))
                continue
            pairs = list(zip(one, other, strict=True))
        for a, b in pairs:
            if a is b or isinstance(a, ast.expr_context):
                continue
            if isinstance(a, ast.AST) and isinstance(b, ast.AST):
                if ast.dump(a) != ast.dump(b):
                    differing.append(_difference(a, b))
            elif a != b:
                differing.append((name, str(_read(a)), str(_read(b))))
    if isinstance(old, ast.Slice):
        return tuple(differing)
    return differing[0] if len(differing) == 1 else None


def _read(node):
    return ast.dump(node) if isinstance(node, ast.AST) else node
