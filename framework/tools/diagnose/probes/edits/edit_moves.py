"""Edits that are no rewriting rule: other names, numbers, orders of arguments, statements."""

import ast
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from firstlight.tools.diagnose.probes.edits.scope import Scope, axes, parsed
from firstlight.tools.diagnose.probes.edits.syntax import REDUCTIONS, Slot

Move = tuple[int, str, ast.expr]  # rank, mistake and the new expression
BY_ROLE = {
    "index": "index",
    "exponent": "derivative",
    "axis": "sum",
    "compared": "condition",
    "factor": "factor",
    "divisor": "factor",
}
PERMUTED = {"reshape", "transpose", "swapaxes", "moveaxis", "concatenate", "stack"}
MOST = 4  # axes of which all orders are tried


def expression_moves(slot: Slot, scope: Scope) -> Iterator[Move]:
    """Yield other expressions for one slot."""
    node = slot.node
    if isinstance(node, ast.Constant):
        yield from _constants(node, slot.role)
    elif is_value(node):
        yield from _operands(node, slot, scope)
    if slot.role == "axis" and slot.path[-1][0] == "args":
        yield from ((0, "sum", one) for one in axes(None))
    if isinstance(node, ast.Call):
        yield from _calls(node, slot, scope)
    elif isinstance(node, ast.Tuple | ast.List):
        yield from _tuples(node, slot.role)
    elif isinstance(node, ast.Slice):
        yield from _slices(node)
    elif isinstance(node, ast.Subscript):
        yield from _selections(node)
    elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Mult | ast.MatMult):
        mistake = "sign" if isinstance(node.op, ast.Sub) else "operand"
        yield 2, mistake, ast.BinOp(node.right, node.op, node.left)


def _constants(node, role):
    value, mistake = node.value, BY_ROLE.get(role, "factor")
    if isinstance(value, bool):
        yield 0, "sum" if role == "option" else "condition", ast.Constant(not value)
    elif isinstance(value, int | float):
        near = (value + 1, value - 1, -value) if isinstance(value, int) else (-value, 1 - value)
        for other in dict.fromkeys((*near, 0, 1, -1, 2, 0.5, 1 / value if value else 2)):
            if other != value and not (mistake in ("index", "sum") and other != int(other)):
                yield 1, mistake, _number(int(other) if other == int(other) else other)
    elif isinstance(value, str) and "->" in value:
        for text in _subscripts(value):
            kept = sorted(text.partition("->")[2]) == sorted(value.partition("->")[2])
            yield 1, "transpose" if kept else "sum", ast.Constant(text)


def _number(value):
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _subscripts(text):
    """Yield the subscripts of an einsum with two letters of one array swapped, or one replaced."""
    letters = sorted({c for c in text if c.isalpha()})
    inputs, _, result = text.replace(" ", "").partition("->")
    terms = [*inputs.split(","), result]
    for index, term in enumerate(terms):
        for other in _changed(term, letters):
            made = [*terms[:index], other, *terms[index + 1 :]]
            yield ",".join(made[:-1]) + "->" + made[-1]
    for place in range(len(result) + 1):
        for letter in letters:
            if letter not in result:
                yield f"{inputs}->{result[:place]}{letter}{result[place:]}"
    for place in range(len(result)):
        yield f"{inputs}->{result[:place]}{result[place + 1 :]}"
    for one, two in itertools.permutations(range(len(terms) - 1), 2) if len(terms) > 2 else ():
        made = list(terms)
        made[one], made[two] = made[two], made[one]
        yield ",".join(made[:-1]) + "->" + made[-1]


def _changed(term, letters):
    for i, j in itertools.combinations(range(len(term)), 2):
        made = list(term)
        made[i], made[j] = made[j], made[i]
        yield "".join(made)
    for i, letter in itertools.product(range(len(term)), letters):
        if letter not in term:
            yield term[:i] + letter + term[i + 1 :]


def is_value(node: ast.expr) -> bool:
    """Return whether a node only names a value, or an item of one."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name)
    return isinstance(node, ast.Name | ast.Attribute)


def _operands(node, slot, scope):
    """Yield other values in scope: those of the same shape first."""
    text = ast.unparse(node)
    if slot.role in ("callee", "target") or isinstance(getattr(node, "ctx", None), ast.Store):
        return
    known = scope.results.get(slot.path)
    shape = scope.shape(text) if known is None else np.shape(known)
    if shape is None and (slot.role == "owner" or slot.role == "index"):
        return
    mistake = {"index": "index", "compared": "condition"}.get(slot.role, "operand")
    for name in scope.values:
        if name != text:
            alike = scope.shape(name) == shape
            if shape is not None or alike:
                yield 1 if alike else 3, mistake, parsed(name)


def _calls(node, slot, scope):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    of_numpy = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "np"
    owner = (("args", 0),) if of_numpy else (("func", None), ("value", None))
    reduced = scope.results.get((*slot.path, *owner))
    names = {keyword.arg for keyword in node.keywords}
    for index, keyword in enumerate(node.keywords):
        rest = node.keywords[:index] + node.keywords[index + 1 :]
        yield 2, "sum", ast.Call(node.func, node.args, rest)
        if keyword.arg == "axis":
            for one in axes(reduced):
                changed = [
                    *node.keywords[:index],
                    ast.keyword("axis", one),
                    *node.keywords[index + 1 :],
                ]
                yield 0, "sum", ast.Call(node.func, node.args, changed)
            if "keepdims" not in names:
                more = [*node.keywords, ast.keyword("keepdims", ast.Constant(True))]
                yield 1, "sum", ast.Call(node.func, node.args, more)
    if name in REDUCTIONS and "axis" not in names and len(node.args) == of_numpy:
        for one in axes(reduced)[:-1]:
            more = [ast.keyword("axis", one), *node.keywords]
            yield 1, "sum", ast.Call(node.func, node.args, more)
    mistake = "transpose" if name in PERMUTED else "condition" if name == "where" else "operand"
    for order in _orders(len(node.args)):
        args = [node.args[i] for i in order]
        call = ast.Call(node.func, args, node.keywords)
        if mistake != "condition" or order[0] == 0:
            yield (0 if mistake == "transpose" else 1), mistake, call
        if name == "reshape":
            inverse = [ast.Constant(order.index(i)) for i in range(len(order))]
            yield 2, mistake, ast.Call(ast.Attribute(call, "transpose", ast.Load()), inverse, [])
    match node:
        case ast.Call(ast.Attribute(ast.Call(ast.Attribute(_, "reshape")) as inner, "transpose")):
            for order in _orders(len(inner.args)):
                args = [inner.args[i] for i in order]
                yield 1, "transpose", ast.Call(inner.func, args, inner.keywords)


def _orders(count):
    """Yield the orders of arguments: all of a few, swaps and rotations of more."""
    plain = tuple(range(count))
    swapped = []
    for i, j in itertools.combinations(plain, 2):
        order = list(plain)
        order[i], order[j] = j, i
        swapped.append(tuple(order))
    rest = itertools.permutations(plain) if count <= MOST else ()
    rolled = [plain[k:] + plain[:k] for k in range(1, count)] if count > MOST else []
    yield from (order for order in dict.fromkeys([*rest, *swapped, *rolled]) if order != plain)


def _tuples(node, role):
    kind = type(node)
    for order in _orders(len(node.elts)):
        mistake = {"index": "index", "axis": "sum"}.get(role, "operand")
        rank = 2 if role == "target" else 1
        yield rank, mistake, kind([node.elts[i] for i in order], getattr(node, "ctx", ast.Load()))


def _selections(node):
    """Yield sums over an axis in place of its first or last entry."""
    if isinstance(node.ctx, ast.Store):
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for axis, part in enumerate(parts):
        text = ast.unparse(part)
        if text in ("0", "-1", ":1", "0:1", "-1:"):
            rest = [ast.Slice() if i == axis else one for i, one in enumerate(parts)]
            bare = all(isinstance(one, ast.Slice) and ast.unparse(one) == ":" for one in rest)
            owner = node.value
            if not bare:
                owner = ast.Subscript(node.value, ast.Tuple(rest, ast.Load()), ast.Load())
            for name in ("sum", "mean"):
                called = ast.Attribute(owner, name, ast.Load())
                kept = [ast.keyword("keepdims", ast.Constant(True))] if ":" in text else []
                options = [ast.keyword("axis", ast.Constant(axis)), *kept]
                yield 0, "sum", ast.Call(called, [], options)


def _slices(node):
    low, high, step = node.lower, node.upper, node.step

    def moved(bound, by):
        if isinstance(bound, ast.Constant) and isinstance(bound.value, int):
            return _number(bound.value + by)
        if bound is None:
            return None
        return ast.BinOp(bound, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))

    def negative(bound):
        if isinstance(bound, ast.UnaryOp) and isinstance(bound.op, ast.USub):
            return bound.operand
        return None if bound is None else ast.UnaryOp(ast.USub(), bound)

    if (low is None) != (high is None):
        yield 0, "index", ast.Slice(high, low, step)
        yield 0, "index", ast.Slice(negative(high), negative(low), step)
    yield 1, "index", ast.Slice(None, None, step)
    for by in (1, -1):
        if low is not None:
            yield 1, "index", ast.Slice(moved(low, by), high, step)
        elif by == 1:
            yield 1, "index", ast.Slice(ast.Constant(1), high, step)
        if high is not None:
            yield 1, "index", ast.Slice(low, moved(high, by), step)
        elif by == -1:
            yield 1, "index", ast.Slice(low, _number(-1), step)


StatementMove = tuple[int, str, list[ast.stmt], int]  # rank, mistake, new statements, how many old


def statement_moves(statement: ast.stmt, behind: Sequence[ast.stmt]) -> Iterator[StatementMove]:
    """Yield statements in place of one, or of it and some of those behind it."""
    following = behind[0] if behind else None
    for rank, mistake, new in _assigned(statement):
        yield rank, mistake, [new], 1
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return  # a docstring
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value
        names = [arg.id for arg in called.args if isinstance(arg, ast.Name)]
        for name in names:
            yield 0, "unused", [ast.Assign([ast.Name(name, ast.Store())], called)], 1
            yield 1, "unused", [ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), called)], 1
        if isinstance(following, ast.Return) and following.value is not None:
            yield 1, "unused", [ast.Return(ast.BinOp(following.value, ast.Add(), called))], 2
    if not isinstance(statement, ast.Return | ast.FunctionDef | ast.ClassDef):
        yield 2, "statement", [], 1
        yield 3, "statement", [statement, statement], 1
        if isinstance(statement, ast.If | ast.For | ast.While | ast.With):
            yield 2, "condition", list(statement.body), 1
        if following is not None and not isinstance(following, ast.Return):
            yield 1, "order", [following, statement], 2
        for count in range(2, len(behind) + 1):
            some = list(behind[:count])
            if not isinstance(some[-1], ast.Return):
                yield 3, "order", [*some, statement], count + 1
                yield 3, "order", [some[-1], statement, *some[:-1]], count + 1


def _assigned(statement):
    """Yield an assignment in place of another: =, +=, -=, and np.add.at."""
    if isinstance(statement, ast.AugAssign):
        target, value = statement.target, statement.value
        read = ast.parse(ast.unparse(target), mode="eval").body
        turned = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if type(statement.op) in turned:
            mistake = "sign" if isinstance(statement.op, ast.Add | ast.Sub) else "factor"
            yield 0, mistake, ast.AugAssign(target, turned[type(statement.op)](), value)
        yield 1, "accumulate", ast.Assign([target], value)
        yield 1, "copy", ast.Assign([target], ast.BinOp(read, statement.op, value))
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (target,), value = statement.targets, statement.value
        if isinstance(target, ast.Tuple | ast.List):
            return
        yield 0, "accumulate", ast.AugAssign(target, ast.Add(), value)
    else:
        return
    if isinstance(target, ast.Subscript):
        owner = ast.parse(ast.unparse(target.value), mode="eval").body
        call = ast.parse("np.add.at(a, i, d)", mode="eval").body
        call.args = [owner, _as_argument(target.slice), value]
        yield 1, "accumulate", ast.Expr(call)


def _as_argument(index):
    """Return an index as an argument: slices become ``slice(...)``."""
    if isinstance(index, ast.Slice):
        bounds = [bound or ast.Constant(None) for bound in (index.lower, index.upper, index.step)]
        return ast.Call(ast.Name("slice", ast.Load()), bounds, [])
    if isinstance(index, ast.Tuple):
        return ast.Tuple([_as_argument(one) for one in index.elts], ast.Load())
    return index
