"""Mutations: the lesson with one small change in a blank, each with a sentence that tells it.

They name causes that are not among an exercise's known mistakes: a solution that computes what a
mutation computes has that mistake, whatever its code looks like.
"""

from __future__ import annotations

import ast
import copy
import functools
from dataclasses import dataclass
from typing import Any

from firstlight.tools.course.changes import Details, changes, code_of, name_changes
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.exercise import Exercise, Text
from firstlight.tools.course.lines import RESULT, target_of
from firstlight.tools.course.words import MUTATIONS

MOST = 300  # mutations of a blank


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
    names = functools.partial(name_changes, _variables(function))
    for kind in (changes, names):  # names last: there may be many
        for statements, index in _places(function):
            statement = statements[index]
            line = f"`{code_of(statement).splitlines()[0]}`"
            how = _filled("cure", {"line": (line, line)})
            for node, change, key, details in kind(statement):
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
