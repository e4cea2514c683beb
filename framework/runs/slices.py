"""Run the part of a script that makes a value, and nothing else.

A script trains when it runs. To create its data or its model's class again, only the statements are
executed that a name depends on: those that bind the name or change it, those that draw from the
same random numbers, and those that these need.
Names with a recorded value, such as parsed arguments, need no statement.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
EVERY = {"*", "__future__"}  # imports that are always needed
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
DRAWS = {name for kind in GENERATORS for name in dir(kind) if name[0] != "_"} - {"power"}  # of np
LOOPS = (ast.For, ast.AsyncFor, ast.While)
BLOCKS = ("body", "orelse", "finalbody")


def needed_statements(
    statements: Iterable[ast.stmt], names: Iterable[str], known: Collection[str] = ()
) -> tuple[list[ast.stmt], set[str]]:
    """Return the statements that names depend on, in order, and all names that these need.

    Parameters
    ----------
    statements : list of ast.stmt
    names : list of str
    known : collection of str
        Names that have values already.

    Examples
    --------
    >>> import ast
    >>> from firstlight.runs.slices import needed_statements
    >>> script = ast.parse("a = 2; print(a); b = [a]; b.append(3); c = b * a; d = 4")
    >>> [ast.unparse(one) for one in needed_statements(script.body, ["b"])[0]]
    ['a = 2', 'b = [a]', 'b.append(3)']
    """
    statements = list(statements)
    needed, kept, before = set(names) - set(known), set(), -1
    draw, drawn = [draws(one) for one in statements], set()
    while len(kept) > before:
        before = len(kept)
        imported = {n for one in statements if _is_import(one) for n in bound(one)}
        for index, one in enumerate(statements):
            if index in kept or trains(one) or _is_for_main(one):
                continue
            makes = bound(one) | changed(one, imported)
            if makes & needed or makes & EVERY or _drawn_alone(one) & (drawn | needed - imported):
                kept.add(index)
                drawn |= draw[index]
                needed |= {n for n in used(one) if n not in known}
    return [statements[index] for index in sorted(kept)], needed


def used(node: ast.AST) -> set[str]:
    """Return the names that a statement or expression takes from outside of its functions."""
    found = {node.id} if isinstance(node, ast.Name) else set()
    for child in ast.iter_child_nodes(node):
        found |= used(child)
    if isinstance(node, FUNCTIONS):
        own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        body = node.body if isinstance(node.body, list) else [node.body]
        own |= {name for one in body for name in bound(one)}
        shared = (n.names for n in ast.walk(node) if isinstance(n, (ast.Global, ast.Nonlocal)))
        found -= own - {name for names in shared for name in names}
    elif isinstance(node, COMPREHENSIONS):
        found -= {name for part in node.generators for name in bound(part.target)}
    return found


def bound(statement: ast.AST) -> set[str]:
    """Return the names that a statement binds in its own scope; `EVERY` has two more."""
    found = set()
    for node in _in_scope(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            if getattr(node, "module", None) == "__future__":
                found.add("__future__")
    return found


def changed(statement: ast.AST, imported: Collection[str]) -> set[str]:
    """Return the names whose objects a statement changes: ``x[0] = 1``, ``x.append(1)``.

    A call of a function of a module, ``os.mkdir("x")``, changes nothing but a seed; a loop over
    seeds trains with each.
    """
    found, loops = set(), isinstance(statement, LOOPS)
    for node in _in_scope(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            found |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            shuffles = "shuffle" in ast.unparse(called)
            given = [k.value for k in node.value.keywords if shuffles or k.arg == "out"]
            for argument in (*given, *(node.value.args if shuffles else ())):
                found |= _root(argument)
            if isinstance(called, ast.Attribute):
                seeds = "seed" in called.attr and not loops
                found |= {n for n in _root(called) if n not in imported or seeds}
            elif isinstance(called, ast.Name) and "seed" in called.id and not loops:
                found.add(called.id)
    return found


def draws(statement: ast.AST) -> set[str]:
    """Return the random generators, such as ``np.random``, that a statement or its parts draw from.

    Examples
    --------
    >>> import ast
    >>> from firstlight.runs.slices import draws
    >>> sorted(draws(ast.parse("x = rng.normal(size=3) + np.random.rand(3)")))
    ['np.random', 'rng']
    """
    return {
        ast.unparse(node.func.value)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in DRAWS
    }


def _drawn_alone(statement):
    """Return what an assignment, or a bare call such as ``rng.random()``, draws from.

    Other statements that draw may print, write or train.
    """
    if isinstance(statement, ASSIGNMENTS):
        return draws(statement)
    called = getattr(getattr(statement, "value", None), "func", None)
    bare = isinstance(called, ast.Attribute) and called.attr in DRAWS
    return {ast.unparse(called.value)} if bare else set()


def trains(statement: ast.AST) -> bool:
    """Return whether a statement, outside of functions that it defines, runs a trainer."""
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("fit", "validate", "test", "predict")
        and "trainer" in ast.unparse(node.func).lower()
        for node in _in_scope(statement)
    )


def find_call(tree: ast.AST, end: list[int]) -> ast.Call | None:
    """Return the call that ends at a line and column."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return next((c for c in calls if [c.end_lineno, c.end_col_offset] == end), None)


def way_to(
    tree: ast.Module, call: ast.Call, plain: Mapping[str, Any]
) -> tuple[list[ast.stmt], Any]:
    """Return the statements that run before a call in its function, or in the module.

    A loop around the call ends in the iteration in which its names have recorded values.

    Parameters
    ----------
    tree : ast.Module
    call : ast.Call
    plain : dict
        The recorded values by name; numbers and texts tell an iteration.

    Returns
    -------
    statements : list of ast.stmt
    function : ast.FunctionDef or None
        None for the module.
    """
    statements, function, block = [], None, tree.body
    while True:
        holder = next(one for one in block if any(node is call for node in ast.walk(one)))
        statements += block[: block.index(holder)]
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)):
            statements, function, block = [], holder, holder.body
            continue
        if isinstance(holder, (ast.With, ast.AsyncWith)):
            statements.append(_opened(holder))
        if isinstance(holder, ast.For):
            statements += _up_to(holder, plain)
        inner = [b for b in _blocks(holder) if any(_holds(one, call) for one in b)]
        if not inner:
            return statements, function
        block = inner[0]


def _up_to(loop, plain):
    """Return a loop that stops where its names have the recorded values; none if there are none."""
    names = {n for n in bound(loop.target) if n in plain and isinstance(plain[n], (int, str))}
    if not names:
        return []
    same = " and ".join(f"{name} == {plain[name]!r}" for name in sorted(names))
    stop = ast.parse(f"if {same}: break").body
    alone = ast.For(target=loop.target, iter=loop.iter, body=stop, orelse=[])
    return [ast.fix_missing_locations(ast.copy_location(alone, loop))]


def _opened(holder):
    """Return ``with`` without its block, for the names that it binds."""
    alone = type(holder)(items=holder.items, body=[ast.Pass()])
    return ast.fix_missing_locations(ast.copy_location(alone, holder))


def _blocks(statement):
    found = [getattr(statement, name, []) for name in BLOCKS]
    found += [part.body for part in getattr(statement, "handlers", [])]
    found += [part.body for part in getattr(statement, "cases", [])]
    return [block for block in found if isinstance(block, list) and block]


def _holds(node, call):
    return any(inner is call for inner in ast.walk(node))


def _in_scope(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and what is in it, but not what is in functions and classes."""
    yield statement
    if not isinstance(statement, SCOPES):
        for child in ast.iter_child_nodes(statement):
            yield from _in_scope(child)


def _is_for_main(statement):
    """Return whether it is ``if __name__ == "__main__":``, which is false in a copy."""
    is_if = isinstance(statement, ast.If) and not statement.orelse
    return is_if and ast.unparse(statement.test) == "__name__ == '__main__'"


def _is_import(statement):
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def _root(node):
    """Return the name that ``a.b[0].c`` begins with, in a set; empty if a call is within."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
