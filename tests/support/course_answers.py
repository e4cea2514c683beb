"""Answers to exercises of the course: functions and methods that fill the blanks.

The files ``solutions/EXERCISE_STYLE.py`` hold right answers in several styles.
"""

import ast
import textwrap
from pathlib import Path

FOLDER = Path(__file__).with_name("solutions")


def answers(name):
    """Return the files of right answers to an exercise."""
    return sorted(FOLDER.glob(f"{name}_*.py"))


def filled(exercise, answer):
    """Return the text of an exercise with the bodies of an answer, and all else that it defines."""
    lines, given = exercise.splitlines(), dict(_functions(ast.parse(exercise)))
    rest, bodies = [], {}
    for node in ast.parse(answer).body:
        found = dict(_functions(ast.Module([node], [])))
        blanks = {name: one for name, one in found.items() if name in given}
        bodies |= blanks
        if not blanks:
            rest.append(ast.get_source_segment(answer, node))
    for name, one in sorted(bodies.items(), key=lambda item: -given[item[0]].lineno):
        blank = given[name]
        first = blank.body[1] if len(blank.body) > 1 else blank.body[0]
        start = first.lineno - 1
        while lines[start - 1].strip().startswith("#"):
            start -= 1
        body = answer.splitlines()[one.body[0].lineno - 1 : one.end_lineno]
        body = textwrap.indent(textwrap.dedent("\n".join(body)), " " * first.col_offset)
        lines[start : blank.end_lineno] = body.splitlines()
    return "\n".join([*lines, "", "", *rest, ""])


def _functions(tree):
    """Yield ``(name, node)`` of functions and methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        for one in getattr(node, "body", []):
            if isinstance(node, ast.ClassDef) and isinstance(one, ast.FunctionDef):
                yield f"{node.name}.{one.name}", one
