"""Positions of expressions and statements in a syntax tree, and trees with one of them replaced."""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[tuple[str, int | None], ...]  # (field, index in a list) from the root

BLOCKS = ("body", "orelse", "finalbody")
ROLES = {  # of an operator's left and right operand
    ast.Add: ("term", "term"),
    ast.Sub: ("term", "term"),
    ast.Mult: ("factor", "factor"),
    ast.Div: ("factor", "divisor"),
    ast.FloorDiv: ("factor", "divisor"),
    ast.MatMult: ("matrix", "matrix"),
    ast.Pow: ("base", "exponent"),
}
REDUCTIONS = {"sum", "mean", "max", "min", "var", "std", "prod", "argmax", "argmin", "cumsum"}
INHERITED = {"index", "axis"}  # roles that hold for everything inside


@dataclass(frozen=True)
class Slot:
    """The position of an expression.

    Attributes
    ----------
    node : ast.expr
    path : Path
    role : str
        What its parent uses it for: "term" of a sum, result or argument; "factor", "divisor",
        "matrix", "base", "exponent", "index", "axis", "compared", "callee", "owner" of an
        attribute, "target" of an assignment, "unpacked" into several.
    block : Path
        The path of the statement that it belongs to.
    """

    node: ast.expr
    path: Path
    role: str
    block: Path


def statements(tree: ast.AST, path: Path = ()) -> Iterator[tuple[ast.stmt, Path]]:
    """Yield the statements in the body of a tree, and those inside them, with their paths."""
    for block in BLOCKS:
        for index, statement in enumerate(getattr(tree, block, ())):
            here = (*path, (block, index))
            yield statement, here
            yield from statements(statement, here)


def slots(tree: ast.AST) -> Iterator[Slot]:
    """Yield the slots of all expressions in the statements of a tree, outer ones first."""
    for statement, path in statements(tree):
        for name, child, index in _fields(statement):
            if isinstance(child, ast.expr):
                role = "target" if name in ("target", "targets") else "term"
                if role == "term" and isinstance(getattr(statement, "targets", [0])[0], ast.Tuple):
                    role = "unpacked"
                yield from _slots(child, (*path, (name, index)), role, path)


def _slots(node, path, role, block):
    yield Slot(node, path, role, block)
    if isinstance(node, ast.Constant | ast.JoinedStr | ast.Lambda):
        return
    for name, child, index in _fields(node):
        here = (*path, (name, index))
        if isinstance(child, ast.keyword):
            inside = child.arg if child.arg == "axis" else "option"
            yield from _slots(child.value, (*here, ("value", None)), inside, block)
        elif isinstance(child, ast.comprehension):
            yield from _slots(child.iter, (*here, ("iter", None)), "term", block)
        elif isinstance(child, ast.expr):
            is_axis = name == "args" and _is_axis(node, index)
            yield from _slots(child, here, "axis" if is_axis else _role(node, name, role), block)


def _is_axis(call, index):
    """Return whether an argument of a call is the axis of a sum or the like, by position."""
    match call.func:
        case ast.Attribute(ast.Name("np"), name):
            return name in REDUCTIONS and index == 1
        case ast.Attribute(_, name):
            return name in REDUCTIONS and index == 0
    return False


def _role(node, name, role):
    if role in INHERITED or isinstance(node, ast.Tuple | ast.List | ast.UnaryOp | ast.Starred):
        return role
    if isinstance(node, ast.BinOp):
        return ROLES.get(type(node.op), ("", ""))[name == "right"]
    if isinstance(node, ast.Call):
        return "callee" if name == "func" else "term"
    if isinstance(node, ast.Subscript):
        return "index" if name == "slice" else "base"
    if isinstance(node, ast.Compare):
        return "compared"
    if isinstance(node, ast.Attribute):
        return "term" if role == "callee" else "owner"
    return "term"


def _fields(node):
    """Yield ``(field, child, index)`` of the children of a node that are nodes."""
    for name, value in ast.iter_fields(node):
        if name in BLOCKS and isinstance(value, list):
            continue
        if isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield name, child, index
        elif isinstance(value, ast.AST):
            yield name, value, None


def replaced(tree: Any, path: Path, new: Sequence[ast.AST], count: int = 1) -> Any:
    """Return a copy of a tree with ``count`` nodes from a path on replaced by others.

    Nodes off the path are shared with the original.
    """
    (name, index), *rest = path
    twin, old = copy.copy(tree), getattr(tree, name)
    if index is None:
        child = replaced(old, tuple(rest), new, count) if rest else new[0]
        setattr(twin, name, child)
        return twin
    inner = [replaced(old[index], tuple(rest), new, count)] if rest else list(new)
    made = [*old[:index], *inner, *old[index + (1 if rest else count) :]]
    setattr(twin, name, made)
    return twin


def recording(tree: Any, places: Sequence[Slot], name: str) -> Any:
    """Return a copy of a tree that calls ``name(index of the slot, value)`` for each slot."""
    for index, slot in reversed(list(enumerate(places))):  # inner ones first
        if slot.role not in ("callee", "target", "index", "axis", "option"):
            arguments = [ast.Constant(index), at_path(tree, slot.path)]
            if not isinstance(arguments[1], ast.Starred | ast.Slice):
                call = ast.Call(ast.Name(name, ast.Load()), arguments, [])
                tree = replaced(tree, slot.path, [located(call, slot.node)])
    return tree


def at_path(tree: Any, path: Path) -> Any:
    """Return the node at a path."""
    for name, index in path:
        tree = getattr(tree, name) if index is None else getattr(tree, name)[index]
    return tree


def located(new: Any, old: ast.AST) -> Any:
    """Give the nodes of a new tree that have none the place of an old one, and return it."""
    for node in ast.walk(new):
        if isinstance(node, ast.expr | ast.stmt | ast.keyword) and not hasattr(node, "lineno"):
            ast.copy_location(node, old)
    return new


def of_one_index(changes: Sequence[tuple[Path, Any, Any]]) -> list[list[tuple[Path, Any, Any]]]:
    """Return the changes, which begin with their paths, inside each index, if there are several."""
    found: dict[Path, list] = {}
    for change in changes:
        names = [name for name, _ in change[0]]
        if "slice" in names:
            found.setdefault(change[0][: names.index("slice")], []).append(change)
    return [some for some in found.values() if 1 < len(some) < len(changes)]


def same(one: Any, other: Any) -> bool:
    """Return whether two expressions read the same."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if not isinstance(one, ast.AST):
        return one == other
    return isinstance(one, ast.expr_context) or all(
        same(getattr(one, name, None), getattr(other, name, None)) for name in one._fields
    )
