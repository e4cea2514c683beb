"""Changes: what may be wrong in a statement of a lesson, as edits of its syntax tree."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}
OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
TERMS = {ast.Add: "term", ast.Sub: "term", ast.Mult: "factor", ast.MatMult: "factor"}
COMPARISONS = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
OTHER_COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
}
FUNCTIONS = {"sum": "mean", "mean": "sum", "max": "min", "maximum": "minimum", "minimum": "maximum"}
FUNCTIONS |= {"argmax": "argmin", "var": "std", "ones": "zeros", "zeros": "ones"}
AXES = (0, 1, -1, -2, None)

Change = Callable[[Any, Any], None]
Details = dict[str, str]
Found = tuple[ast.AST, Change, str, Details]  # node, its change, sentence, what it names


def changes(statement: ast.stmt) -> Iterator[Found]:
    """Yield ``(node, change, sentence, its details)``; change gets copies of statement and node."""
    yield from _statement_changes(statement)
    for node in _own_expressions(statement):
        if isinstance(node, ast.BinOp):
            yield from _binary_changes(node)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            for other in OTHER_COMPARISONS.get(type(node.ops[0]), ()):
                details = {"wrong": COMPARISONS[other], "code": COMPARISONS[type(node.ops[0])]}
                yield node, _setting("ops", [other()]), "other", details
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            if not isinstance(node.operand, ast.Constant):
                yield node, _replacing(node.operand), "sign", {"code": code_of(node.operand)}
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield node, _replacing(node.value), "transposed", {"code": code_of(node.value)}
        elif isinstance(node, ast.IfExp):
            details = {"code": code_of(node.test)}
            yield node, _replacing(node.orelse), "never", details
            yield node, _replacing(node.body), "always", details
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            details = {"wrong": code_of(node.elts[0]), "code": code_of(node.elts[1])}
            yield node, _exchange_elements, "exchanged", details
        elif isinstance(node, ast.Call):
            yield from _call_changes(node)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            for value in {0, 1, node.value + 1, node.value - 1, -node.value} - {node.value}:
                details = {"wrong": f"{value:g}", "code": f"{node.value:g}"}
                yield node, _setting("value", value), "other", details


def name_changes(variables: list[str], statement: ast.stmt) -> Iterator[Found]:
    """Yield the exchanges of two names in an expression, and a statement's names by others."""
    nodes = list(_own_expressions(statement))
    read = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    for node in nodes:
        if isinstance(node, ast.BinOp):
            here = {one.id for one in ast.walk(node) if one in read and one.id in variables}
            for one, other in itertools.combinations(sorted(here), 2):
                details = {"wrong": one, "code": other}
                yield node, _renaming({one: other, other: one}), "exchanged", details
    for node in read:
        for other in variables:
            if node.id in variables and other != node.id:
                details = {"wrong": other, "code": node.id}
                yield node, _renaming({node.id: other}, everywhere=True), "other", details
                yield node, _setting("id", other), "other", details


def _statement_changes(statement):
    if isinstance(statement, ast.AugAssign):
        code = code_of(statement.value)
        if type(statement.op) in OTHER:
            yield statement, _setting("op", OTHER[type(statement.op)]()), "sign", {"code": code}
        if isinstance(statement.op, ast.Add):
            yield statement, _overwrite, "overwritten", {}
        yield statement, _leave_out, "left out", {}
    elif isinstance(statement, ast.If):
        code = code_of(statement.test)
        yield statement, _setting("test", ast.Constant(False)), "never", {"code": code}
        yield statement, _setting("test", ast.Constant(True)), "always", {"code": code}
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        code = code_of(statement.value)
        yield statement, _setting("value", ast.Constant(None)), "call", {"code": code}
    elif isinstance(statement, ast.Return) and statement.value is not None:
        negative = ast.UnaryOp(ast.USub(), copy.deepcopy(statement.value))
        code = code_of(statement.value)
        yield statement, _setting("value", negative), "sign", {"code": code}


def _binary_changes(node):
    kind = type(node.op)
    if kind in OTHER:
        details = {"wrong": OPERATORS[OTHER[kind]], "code": OPERATORS[kind]}
        yield node, _setting("op", OTHER[kind]()), "other", details
    left, right = code_of(node.left), code_of(node.right)
    if kind in TERMS:
        yield node, _replacing(node.left), TERMS[kind], {"code": right}
        if isinstance(node.left, ast.BinOp) and type(node.left.op) is kind is ast.Mult:
            lost = ast.BinOp(node.left.right, ast.Mult(), node.right)
            yield node, _replacing(node.left.left), "factor", {"code": code_of(lost)}
        if kind in (ast.Add, ast.Sub):
            twice = ast.BinOp(ast.Constant(2), ast.Mult(), node.right)
            yield node, _setting("right", twice), "twice", {"code": right}
        if kind is ast.Sub:
            yield node, _replacing(ast.UnaryOp(ast.USub(), node.right)), "term", {"code": left}
        else:
            yield node, _replacing(node.right), TERMS[kind], {"code": left}
    elif kind is ast.Div:
        yield node, _replacing(node.left), "divisor", {"code": right}
    if kind in (ast.Div, ast.MatMult, ast.Pow) and left != right:
        yield node, _exchange_operands, "exchanged", {"wrong": left, "code": right}
    if kind is ast.Pow:
        yield node, _replacing(node.left), "power", {"code": left}


def _call_changes(node):
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in FUNCTIONS:
        other = copy.deepcopy(node.func)
        other.attr = FUNCTIONS[name]
        details = {"wrong": FUNCTIONS[name], "code": name}
        yield node, _setting("func", other), "other", details
    for index, keyword in enumerate(node.keywords):
        if keyword.arg == "axis":
            for axis in AXES:
                changed = [copy.deepcopy(one) for one in node.keywords]
                changed[index].value = ast.Constant(axis)
                details = {"wrong": f"axis={axis}", "code": code_of(keyword)}
                if details["wrong"] != details["code"]:
                    yield node, _setting("keywords", changed), "other", details


def _own_expressions(statement):
    """Yield the expressions of a statement, without those of the statements within it."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if node is not statement:
            yield node
        todo += [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt)]


def _setting(field, value):
    """Return a change that sets a field of the node."""

    def change(statement, node):
        setattr(node, field, copy.deepcopy(value))

    return change


def _renaming(names, everywhere=False):
    """Return a change of names within the node, or within its whole statement."""

    def change(statement, node):
        for part in ast.walk(statement if everywhere else node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                part.id = names.get(part.id, part.id)

    return change


def _exchange_elements(_, node):
    node.elts.reverse()


def _exchange_operands(_, node):
    node.left, node.right = node.right, node.left


def _replacing(expression):
    """Return a change that puts an expression in the node's place."""

    def change(statement, node):
        for parent in ast.walk(statement):
            for field, value in ast.iter_fields(parent):
                if value is node:
                    setattr(parent, field, copy.deepcopy(expression))
                elif isinstance(value, list):
                    copies = [copy.deepcopy(expression) if v is node else v for v in value]
                    setattr(parent, field, copies)

    return change


def _overwrite(statement, _):
    """Turn ``a += b`` into ``a = 0 * a + b``, which overwrites arrays in place."""
    zero = ast.BinOp(ast.Constant(0), ast.Mult(), _loaded(statement.target))
    difference = ast.BinOp(copy.deepcopy(statement.value), ast.Sub(), _loaded(statement.target))
    statement.value = ast.BinOp(zero, ast.Add(), difference)


def _leave_out(statement, _):
    statement.value = ast.BinOp(ast.Constant(0), ast.Mult(), _loaded(statement.target))
    statement.op = ast.Add()


def _loaded(target):
    return ast.parse(ast.unparse(target), mode="eval").body


def code_of(node: ast.AST) -> str:
    """Return the source of a node."""
    return ast.unparse(node)
