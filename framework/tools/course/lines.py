"""Lines of a student's file that a cause is about."""

from __future__ import annotations

import ast

RESULT = "return"  # in place of a name, for what a function returns


def line_of(source: str, blank: str, target: str) -> int:
    """Return the line at which a blank computes something, else the blank's first line.

    Parameters
    ----------
    source : str
    blank : str
        A function or method, such as ``"Linear.backward"``.
    target : str
        What is assigned to, or `RESULT`.

    Returns
    -------
    int
        0 if there is no such function.
    """
    try:
        function = _definition(ast.parse(source), blank)
    except SyntaxError:
        return 0
    if function is None:
        return 0
    statements = [one for one in ast.walk(function) if isinstance(one, ast.stmt)]
    lines = [one.lineno for one in statements if target and target_of(one) == target]
    return max(lines, default=function.lineno)


def target_of(statement: ast.AST) -> str:
    """Return what a statement assigns to, `RESULT` of a return, or ""."""
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0]).removesuffix("[...]")
    if isinstance(statement, ast.AugAssign | ast.AnnAssign | ast.For):
        return ast.unparse(statement.target).removesuffix("[...]")
    return RESULT if isinstance(statement, ast.Return) else ""


def target_at(source: str, line: int) -> str:
    """Return the target of the innermost statement at a line."""
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line)
    ]
    return target_of(max(found, key=lambda node: node.lineno)) if found else ""


def blank_at(source: str, line: int, blanks: tuple[str, ...]) -> str:
    """Return the blank whose definition has a line, or ""."""
    tree = ast.parse(source)
    for blank in blanks:
        one = _definition(tree, blank)
        if one is not None and one.lineno <= line <= one.end_lineno:
            return blank
    return ""


def _definition(tree, blank):
    body, found = tree.body, None
    for name in blank.split("."):
        found = next((one for one in body if getattr(one, "name", None) == name), None)
        if found is None:
            return None
        body = found.body
    return found
