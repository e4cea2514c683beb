"""Answers to exercises of the course: functions and methods that fill the blanks.

The files ``solutions/EXERCISE_STYLE.py`` hold right answers in several styles. The blocks of
``wrong_answers/EXERCISE.txt`` each change one of them, or the lesson: ``%% STYLE``, the text to
replace, a line ``=>``, and the wrong text. After the style, ``: CAUSE`` may be a part of the cause.
"""

import ast
import textwrap
from pathlib import Path

from firstlight.tools.course.cut import exercise_text, solution_text

RIGHT = Path(__file__).with_name("solutions")
WRONG = Path(__file__).with_name("wrong_answers")


def answers(name):
    """Return the files of right answers to an exercise."""
    return sorted(RIGHT.glob(f"{name}_*.py"))


def wrong_answers(task):
    """Yield ``(what was changed, text with a wrong answer, changed blanks, part of the cause)``."""
    path = WRONG / f"{task.name}.txt"
    text = path.read_text() if path.exists() else ""
    for block in text.split("%% ")[1:]:
        head, _, edit = block.partition("\n")
        style, _, cause = head.partition(": ")
        old, _, new = edit.removesuffix("\n").partition("\n=>")
        new = new.removeprefix("\n")
        lesson = style == "lesson"
        right = solution_text(task) if lesson else (RIGHT / f"{task.name}_{style}.py").read_text()
        assert right.count(old) == 1, f"expected once in {task.name}_{style}: {old!r}"
        wrong = right.replace(old, new)
        whole = wrong if lesson else filled(exercise_text(task), wrong)
        yield f"{style}: {old!r} => {new!r}", whole, _changed(right, wrong), cause


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


def _changed(before, after):
    """Return the names of functions and methods that differ."""
    then = {name: ast.dump(one) for name, one in _functions(ast.parse(before))}
    now = {name: ast.dump(one) for name, one in _functions(ast.parse(after))}
    return {name for name in then if then[name] != now.get(name)}


def _functions(tree):
    """Yield ``(name, node)`` of functions and methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        for one in getattr(node, "body", []):
            if isinstance(node, ast.ClassDef) and isinstance(one, ast.FunctionDef):
                yield f"{node.name}.{one.name}", one
