"""What a script's statements assign and read, by the text of its variables."""

import ast
import re
from collections.abc import Iterator

Loop = ast.For | ast.While
Function = ast.FunctionDef | ast.AsyncFunctionDef


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the variables that an expression reads: names, attributes and constant items."""
    for one in ast.walk(node):
        if isinstance(getattr(one, "ctx", None), ast.Load):
            yield ast.unparse(one)


def leaves(target: ast.expr) -> Iterator[ast.expr]:
    """Yield what an assignment's target assigns, without tuples."""
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from leaves(part)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def targets(node: ast.AST) -> list[ast.expr]:
    """Return what a statement, a loop or a named expression assigns."""
    if isinstance(node, ast.Assign):
        return [leaf for target in node.targets for leaf in leaves(target)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr | Loop | ast.comprehension):
        target = getattr(node, "target", None)
        return [] if target is None else list(leaves(target))
    return []


def writes(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield each variable that something in a tree assigns, and what assigns it."""
    for node in ast.walk(tree):
        for target in targets(node):
            yield ast.unparse(target), node


def pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield ``(variable, value)`` of an assignment; of several at once each with its own value."""
    value = getattr(node, "value", None)
    for target in node.targets if isinstance(node, ast.Assign) else targets(node):
        parts = getattr(target, "elts", None), getattr(value, "elts", None)
        if all(parts) and len(parts[0]) == len(parts[1]):
            yield from zip(map(ast.unparse, parts[0]), parts[1], strict=True)
        elif value is not None:
            yield from ((ast.unparse(leaf), value) for leaf in leaves(target))


def loops(tree: ast.AST) -> list[Loop]:
    """Return the loops of a tree, outer ones first."""
    return [node for node in ast.walk(tree) if isinstance(node, Loop)]


def blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield each sequence of statements."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(found := getattr(node, name, None), list):
                yield found


def scopes(tree: ast.Module) -> Iterator[list[ast.AST]]:
    """Yield the nodes of each function, and those outside of all functions."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    inside = [list(ast.walk(function)) for function in functions]
    yield from inside
    known = {id(node) for nodes in inside for node in nodes}
    yield [node for node in ast.walk(tree) if id(node) not in known]


def called_name(call: ast.Call) -> str:
    """Return the last part of what a call calls, "" if that has no name."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def around(tree: ast.AST, line: int, *classes: type[ast.AST]) -> list[ast.AST]:
    """Return the nodes of some classes around a line, outer ones first."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, classes))
    return [node for node in nodes if node.lineno <= line <= node.end_lineno]


def words(text: str) -> set[str]:
    """Return the words of a name: ``val_loss`` has val and loss."""
    return set(re.findall(r"[^\W_]+", text.lower()))
