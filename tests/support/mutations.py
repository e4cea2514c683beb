"""Mutants of layers: their source with backward changed in one place, by operators of their own.

The operators know nothing of the edits that a check tries. Each yields another tree; the text of
both shows the line.
"""

import ast
import copy
import inspect
import linecache
import sys
import textwrap
from dataclasses import dataclass

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


@dataclass
class Mutant:
    """A class with one line of backward changed."""

    cls: type
    operator: str
    line: int
    before: str
    after: str


def mutants(cls):
    """Yield the mutants of a class that defines backward itself."""
    if "backward" not in vars(cls):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    original = ast.unparse(tree).splitlines()
    seen = set()
    for operator, changed in _changed(tree):
        text = ast.unparse(changed)
        lines = text.splitlines()
        different = [i for i, (a, b) in enumerate(zip(original, lines, strict=False)) if a != b]
        if not different or text in seen:
            continue
        seen.add(text)
        line = different[0] + 1
        made = _compiled(cls, text)
        yield Mutant(made, operator, line, original[line - 1].strip(), lines[line - 1].strip())


def _compiled(cls, text):
    file = f"<mutant of {cls.__name__} {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = dict(vars(sys.modules[cls.__module__])) | {"__name__": "mutants"}
    exec(compile(text, file, "exec"), space)
    return space[cls.__name__]


def _changed(tree):
    """Yield the operator's name and a copy of the tree with backward changed in one place."""
    for index, node in enumerate(_nodes(tree)):
        for name, change in _operators(node, _names(_backward(tree))):
            twin = copy.deepcopy(tree)
            target = _nodes(twin)[index]
            new = change(target)
            if new is not None:
                _replace(twin, target, new)
            ast.fix_missing_locations(twin)
            yield name, twin


def _backward(tree):
    return next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "backward"
    )


def _nodes(tree):
    return [node for statement in _backward(tree).body for node in ast.walk(statement)]


def _names(function):
    """Return the local names of arrays: arguments, and those assigned outside of loops."""
    found = {one.arg for one in function.args.args}
    for statement in function.body:
        found |= {n.id for n in ast.walk(statement) if _is_stored(n)}
    return sorted(found - {"self"})


def _is_stored(node):
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _replace(tree, old, new):
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                value[:] = [new if one is old else one for one in value]


def _operators(node, names):
    """Yield ``(name, change)``; a change edits the node in place, or returns another."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPPED:
            name = "sign" if isinstance(node.op, ast.Add | ast.Sub) else "factor"
            yield name, lambda n: setattr(n, "op", SWAPPED[type(n.op)]())
            kind = "term" if name == "sign" else "factor"
            yield kind, lambda n: n.left
        if isinstance(node.op, ast.Mult | ast.Add):
            yield "term" if isinstance(node.op, ast.Add) else "factor", lambda n: n.right
        if isinstance(node.op, ast.MatMult):
            yield "transpose", lambda n: ast.BinOp(n.right, n.op, n.left)
        if isinstance(node.op, ast.Pow):
            yield "derivative", lambda n: n.left
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", lambda n: n.operand
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "sign", lambda n: ast.Return(ast.UnaryOp(ast.USub(), n.value))
        yield "factor", lambda n: ast.Return(ast.BinOp(n.value, ast.Mult(), ast.Constant(2)))
    elif isinstance(node, ast.AugAssign):
        yield "sign", lambda n: setattr(n, "op", ast.Sub())
        yield "accumulate", lambda n: ast.Assign([n.target], n.value)
        yield "statement", lambda n: ast.Pass()
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", lambda n: n.value
    elif isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
        other = {"sum": "mean", "mean": "sum"}[node.attr]
        yield "sum", lambda n: setattr(n, "attr", other)
    elif isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
        if node.arg == "axis" and isinstance(node.value.value, int):
            yield "sum", lambda n: setattr(n, "value", ast.Constant(1 - abs(n.value.value)))
        if node.arg == "keepdims":
            yield "sum", lambda n: setattr(n, "value", ast.Constant(not n.value.value))
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "number", lambda n: setattr(n, "value", n.value + 1)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        other = names[(names.index(node.id) + 1) % len(names)]
        yield "operand", lambda n: setattr(n, "id", other)
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.Gt | ast.LtE):
        yield "condition", lambda n: setattr(n, "ops", [ast.GtE()])
    elif isinstance(node, ast.Call) and len(node.args) > 1:
        yield "operand", lambda n: setattr(n, "args", [n.args[1], n.args[0], *n.args[2:]])
