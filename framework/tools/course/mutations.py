"""Mutations: the lesson with one small change in a blank, each with a sentence that tells it.

They name causes that are not among an exercise's known mistakes: a solution that computes what a
mutation computes has that mistake, whatever its code looks like.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.exercise import Exercise, Text
from firstlight.tools.course.lines import RESULT, target_of
from firstlight.tools.course.words import MUTATIONS

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
MOST = 250  # mutations of a blank
AXES = (0, 1, -1, -2, None)


@dataclass(frozen=True)
class Mutation:
    """A changed lesson.

    Attributes
    ----------
    text : str
        The whole solution.
    target : str
        What the changed statement computes, see `firstlight.tools.course.lines`.
    what, how : (str, str)
        The change as a mistake, and the line of the lesson, each in English and German.
    """

    text: str
    target: str
    what: Text
    how: Text


@functools.lru_cache(maxsize=512)
def mutations(task: Exercise, blank: str) -> tuple[Mutation, ...]:
    """Return the mutations of a blank of an exercise's solution."""
    tree = ast.parse(solution_text(task))
    _remove_docstrings(tree)
    function = _function(tree, blank)
    changed = next(node for node in tree.body if function in ast.walk(node))
    texts = {id(node): ast.unparse(node) for node in tree.body}
    found: dict[str, Mutation] = {}
    names = functools.partial(_name_changes, _variables(function))
    for changes in (_changes, names):  # exchanged names last: there may be many
        for statements, index in _places(function):
            statement = statements[index]
            line = f"`{_code(statement).splitlines()[0]}`"
            how = _filled("cure", {"line": (line, line)})
            for node, change, key, details in changes(statement):
                if len(found) >= MOST:
                    break
                memo: dict[int, Any] = {}
                statements[index] = copy.deepcopy(statement, memo)
                change(statements[index], memo[id(node)])
                texts[id(changed)] = ast.unparse(ast.fix_missing_locations(changed))
                text = "\n\n".join(texts[id(node)] for node in tree.body)
                found.setdefault(
                    text, Mutation(text, target_of(statement), _text(key, statement, details), how)
                )
            statements[index] = statement
    return tuple(one for text, one in found.items() if text != ast.unparse(tree))


def _remove_docstrings(tree: ast.Module) -> None:
    """Remove the docstrings of definitions, which would be copied with each mutation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()


def _places(function: ast.FunctionDef) -> list[tuple[list[ast.stmt], int]]:
    """Return the place of each statement of a function: a list, and the index in it."""
    blocks = [
        block
        for node in ast.walk(function)
        for _, block in ast.iter_fields(node)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt)
    ]
    return [(block, index) for block in blocks for index in range(len(block))]


def _variables(function: ast.FunctionDef) -> list[str]:
    """Return the names of a function's arguments and variables."""
    arguments = [one.arg for one in function.args.args if one.arg != "self"]
    stored = [
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return sorted({*arguments, *stored})


def _function(tree: ast.Module, blank: str) -> ast.FunctionDef:
    body: list[Any] = tree.body
    for name in blank.split("."):
        node = next(one for one in body if getattr(one, "name", None) == name)
        body = node.body
    return node


Change = Callable[[Any, Any], None]
Details = dict[str, str]


def _changes(statement: ast.stmt) -> Iterator[tuple[ast.AST, Change, str, Details]]:
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
                yield node, _replacing(node.operand), "sign", {"code": _code(node.operand)}
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield node, _replacing(node.value), "transposed", {"code": _code(node.value)}
        elif isinstance(node, ast.IfExp):
            yield node, _replacing(node.orelse), "never", {"code": _code(node.test)}
            yield node, _replacing(node.body), "always", {"code": _code(node.test)}
        elif isinstance(node, ast.Call):
            yield from _call_changes(node)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            for value in {0, 1, node.value + 1, node.value - 1, -node.value} - {node.value}:
                details = {"wrong": f"{value:g}", "code": f"{node.value:g}"}
                yield node, _setting("value", value), "other", details


def _name_changes(variables, statement):
    """Yield the changes of one name to another of the function."""
    for node in _own_expressions(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in variables:
            for other in variables:
                if other != node.id:
                    yield node, _setting("id", other), "other", {"wrong": other, "code": node.id}


def _statement_changes(statement):
    if isinstance(statement, ast.AugAssign):
        code = _code(statement.value)
        if type(statement.op) in OTHER:
            yield statement, _setting("op", OTHER[type(statement.op)]()), "sign", {"code": code}
        if isinstance(statement.op, ast.Add):
            yield statement, _overwrite, "overwritten", {}
        yield statement, _leave_out, "left out", {}
    elif isinstance(statement, ast.If):
        code = _code(statement.test)
        yield statement, _setting("test", ast.Constant(False)), "never", {"code": code}
        yield statement, _setting("test", ast.Constant(True)), "always", {"code": code}
    elif isinstance(statement, ast.Return) and statement.value is not None:
        negative = ast.UnaryOp(ast.USub(), copy.deepcopy(statement.value))
        code = _code(statement.value)
        yield statement, _setting("value", negative), "sign", {"code": code}


def _binary_changes(node):
    kind = type(node.op)
    if kind in OTHER:
        details = {"wrong": OPERATORS[OTHER[kind]], "code": OPERATORS[kind]}
        yield node, _setting("op", OTHER[kind]()), "other", details
    left, right = _code(node.left), _code(node.right)
    if kind in TERMS:
        yield node, _replacing(node.left), TERMS[kind], {"code": right}
        if isinstance(node.left, ast.BinOp) and type(node.left.op) is kind is ast.Mult:
            lost = ast.BinOp(node.left.right, ast.Mult(), node.right)
            yield node, _replacing(node.left.left), "factor", {"code": _code(lost)}
        if kind in (ast.Add, ast.Sub):
            twice = ast.BinOp(ast.Constant(2), ast.Mult(), node.right)
            yield node, _setting("right", twice), "twice", {"code": right}
        if kind is ast.Sub:
            yield node, _replacing(ast.UnaryOp(ast.USub(), node.right)), "term", {"code": left}
        else:
            yield node, _replacing(node.right), TERMS[kind], {"code": left}
    elif kind is ast.Div:
        yield node, _replacing(node.left), "divisor", {"code": right}
    elif kind is ast.Pow:
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
                details = {"wrong": f"axis={axis}", "code": _code(keyword)}
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


def _text(key: str, statement: ast.stmt, details: Details) -> Text:
    """Return the sentence about a change, in English and German."""
    quoted = {name: (f"`{code}`", f"`{code}`") for name, code in details.items()}
    return _filled(key, {"target": _target(statement), **quoted})


def _target(statement: ast.stmt) -> Text:
    name = target_of(statement)
    if name in ("", RESULT):
        return MUTATIONS["result" if name else "condition"]
    return f"`{name}`", f"`{name}`"


def _filled(key: str, values: dict[str, Text]) -> Text:
    english, german = (
        MUTATIONS[key][n].format(**{name: value[n] for name, value in values.items()})
        for n in (0, 1)
    )
    return english, german


def _code(node: ast.AST) -> str:
    return ast.unparse(node)
