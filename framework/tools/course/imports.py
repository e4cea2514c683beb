"""Imports of a solution that hand it the result."""

from __future__ import annotations

import ast

from firstlight.tools.course.cut import exercise_text
from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.guard import FRAMEWORKS
from firstlight.tools.course.outcome import Problem

WITH_SOLUTIONS = ("nn", "optim", "models", "callbacks", "fast", "tools")  # parts of firstlight


def forbidden_imports(source: str, task: Exercise) -> list[Problem]:
    """Return imports of other frameworks, and of parts of firstlight that the blanks are in.

    Parameters
    ----------
    source : str
    task : Exercise
        What its file imports is allowed.
    """
    try:
        imported = _imported(source)
    except (SyntaxError, ValueError):
        return []
    given = set(_imported(exercise_text(task)))
    return [
        Problem("", "framework" if _is_framework(name) else "import", name, line)
        for name, line in imported.items()
        if name not in given and _has_solutions(name)
    ]


def _has_solutions(name):
    top, _, rest = name.partition(".")
    return _is_framework(name) or (top == "firstlight" and rest.startswith(WITH_SOLUTIONS))


def _is_framework(name):
    return name.partition(".")[0] in FRAMEWORKS


def _imported(source):
    """Return the dotted names that a source imports, with their lines."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name: node.lineno for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}": node.lineno for alias in node.names}
    return found
