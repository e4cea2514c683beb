"""Small changes of a piece of source, likeliest first: what may have been meant instead.

The caller compiles `Edit.applied`, runs it, and keeps the edit that makes the gradients right.
"""

import ast
import itertools
import re
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.tools.diagnose.probes.edits.edit_moves import expression_moves, statement_moves
from firstlight.tools.diagnose.probes.edits.edit_rules import rewritten
from firstlight.tools.diagnose.probes.edits.edit_values import (
    changed,
    group_moves,
    joined_moves,
    place_moves,
    same_change,
    taken_moves,
    whole_moves,
)
from firstlight.tools.diagnose.probes.edits.scope import Scope
from firstlight.tools.diagnose.probes.edits.syntax import (
    Path,
    Slot,
    at_path,
    located,
    of_one_index,
    replaced,
    same,
    slots,
    statements,
)

RANKS, ADDED = 5, 2  # from this rank on, edits add something
GRADIENTS = [  # that a forgotten statement may add to a parameter
    (text, compile(text, "gradient", "eval"))
    for axes in ("0", "(0, 1)", "(0, 1, 2)", "")
    for text in ("a", "a.T @ b", f"a.sum({axes})", f"(a * b).sum({axes})")
]


@dataclass(frozen=True)
class Edit:
    """One change of a tree.

    Attributes
    ----------
    mistake : str
        "sign", "transpose", "sum", "factor", "operand", "derivative", "index", "condition",
        "accumulate", "term", "order", "unused", "copy" or "statement".
    rank : int
        From 0, the likeliest.
    tree : ast.AST
        The original, which stays as it is.
    path : Path
        Of the first node that is replaced.
    new : tuple of ast.AST
        The nodes in its place; none deletes it.
    count : int
        How many nodes are replaced.
    block : Path
        Of the first statement that changes.
    """

    mistake: str
    rank: int
    tree: ast.AST
    path: Path
    new: tuple[ast.AST, ...]
    block: Path
    count: int = 1

    @property
    def applied(self) -> ast.AST:
        """The changed tree, ready to compile."""
        return replaced(self.tree, self.path, self.new, self.count)

    @property
    def statement(self) -> ast.stmt:
        """The first statement that changes, as it is."""
        return at_path(self.tree, self.block)

    @property
    def line(self) -> int:
        """The line of the expression that changes."""
        return at_path(self.tree, self.path).lineno

    @property
    def old(self) -> str:
        """The source of what is replaced."""
        name, index = self.path[-1]
        found = getattr(at_path(self.tree, self.path[:-1]), name)
        nodes = [found] if index is None else found[index : index + self.count]
        return "; ".join(_header(node) for node in nodes)

    @property
    def written(self) -> str:
        """The source of what replaces it, "" if it is deleted."""
        return "; ".join(_header(node) for node in self.new)

    @property
    def is_simpler(self) -> bool:
        """Whether it leaves something out: a name, a call or a number other than 0 and 1."""
        new, old = (re.findall(r"[A-Za-z_]\w*|[2-9]\d*", text) for text in (self.written, self.old))
        return len(new) < len(old)

    def after(self, lines: Sequence[str] = ()) -> str:
        """Return the line as it should be; "" if it should be deleted."""
        if self.path == self.block:
            return self.written
        node, statement = at_path(self.tree, self.path), self.statement
        changed = replaced(self.tree, self.path, self.new, self.count)
        wanted = _header(at_path(changed, self.block))
        if statement.lineno <= node.lineno == node.end_lineno <= len(lines):
            line = lines[node.lineno - 1]
            bare = [self.written[1:-1]] if isinstance(self.new[0], ast.Tuple) else []
            for text in (*bare, self.written, f"({self.written})"):
                made = _spliced(line, node, text)
                source = [*lines[statement.lineno - 1 : node.lineno - 1], made]
                source += lines[node.lineno : statement.end_lineno]
                if _reads(source, wanted):
                    return made.strip()
        return wanted


def edits(
    tree: ast.AST,
    scope: Scope | None = None,
    delays: Mapping[Path, int] | None = None,
    lines: Container[int] | None = None,
) -> Iterator[Edit]:
    """Yield edits of a function, a module or another node with a body, the likeliest first.

    Parameters
    ----------
    tree : ast.AST
        With the line numbers of its file; only its statements change.
    scope : Scope, optional
        The values in scope; without them no other names or sizes are tried.
    delays : dict of Path to int, optional
        By how many ranks the edits of a statement come later.
    lines : container of int, optional
        The only lines that change.
    """
    within = (scope or Scope()).within(tree)
    places = [(s, _roles(tree, s)) for s in slots(tree) if lines is None or s.node.lineno in lines]
    delays = delays or {}
    if lines is None:
        yield from _unwritten(tree, within)
    for level in range(RANKS + max(delays.values(), default=0)):
        # What is changed stands anywhere; what is added, rather where the result is.
        single = []
        for slot, roles in places if level < ADDED else reversed(places):
            rank = level - delays.get(slot.block, 0)
            for edit in _of_expression(tree, slot, roles, within, rank):
                single.append(edit)
                yield edit
        for statement, path in statements(tree):
            rank = level - delays.get(path, 0)
            if lines is None or statement.lineno in lines:
                yield from _of_statement(tree, statement, path, within, rank)
        if level <= ADDED:
            yield from _of_all_places(tree, single, level)


def _of_expression(tree, slot, roles, scope, rank) -> Iterator[Edit]:
    if isinstance(slot.node, ast.Name) and slot.node.id in ("np", *scope.parts):
        return  # no array

    def of_rank(*moves):
        return [(kind, new) for level, kind, new in itertools.chain(*moves) if level == rank]

    moves = of_rank(expression_moves(slot, scope), place_moves(slot, tree, scope))
    if not isinstance(getattr(slot.node, "ctx", None), ast.Store):
        moves += rewritten(slot, roles, scope, rank)
        if "any" in roles:
            moves += of_rank(group_moves(slot, scope), taken_moves(slot, scope))
    for mistake, new in moves:
        if not same(new, slot.node):
            made = (located(new, slot.node),)
            mistake = "index" if slot.role == "index" else mistake
            yield Edit(mistake, rank, tree, slot.path, made, slot.block)


def _of_all_places(tree, single, rank) -> Iterator[Edit]:
    """Yield changes that several edits make alike, in one statement and in all."""
    ways: dict[str, list[Edit]] = {}
    for edit in single:
        ways.setdefault(edit.mistake, []).append(edit)
    for mistake, alike in ways.items():
        changes = [(one.path, at_path(tree, one.path), one.new[0]) for one in alike]
        for group in same_change(changes).values():
            blocks: dict[Path, list] = {}
            for change in group:
                blocks.setdefault(_block(tree, change[0]), []).append(change)
            for block, some in blocks.items():
                for together in (some, *of_one_index(some)) if len(some) > 1 else ():
                    new = at_path(changed(tree, together), block)
                    yield Edit(mistake, rank, tree, block, (new,), block)
            if len(blocks) > 1:
                yield from _of_statements(tree, changed(tree, group), list(blocks), mistake, rank)


def _of_statements(tree, new, blocks, mistake, rank) -> Iterator[Edit]:
    """Yield the change of statements of one block."""
    first, last = min(blocks, key=lambda path: path[-1][1]), max(b[-1][1] for b in blocks)
    if all(block[:-1] == first[:-1] for block in blocks):
        name, index = first[-1]
        some = tuple(getattr(at_path(new, first[:-1]), name)[index : last + 1])
        yield Edit(mistake, rank, tree, first, some, first, len(some))


def _block(tree, path):
    """Return the path of the innermost statement on a path."""
    return next(
        path[:end]
        for end in range(len(path), 0, -1)
        if isinstance(at_path(tree, path[:end]), ast.stmt)
    )


def _of_statement(tree, statement, path, scope, rank) -> Iterator[Edit]:
    name, index = path[-1]
    block = getattr(at_path(tree, path[:-1]), name)
    behind = block[index + 1 :]
    moves = statement_moves(statement, behind), joined_moves(statement, next(iter(behind), None))
    for level, mistake, new, count in itertools.chain(*moves, whole_moves(statement, scope)):
        if level == rank:
            nodes = new or ([] if len(block) > 1 else [ast.Pass()])
            made = tuple(located(one, statement) for one in nodes)
            yield Edit(mistake, rank, tree, path, made, path, count)


def _unwritten(tree, scope) -> Iterator[Edit]:
    """Yield edits that add to a parameter's gradient that the tree does not mention."""
    path, last = (("body", len(tree.body) - 1),), tree.body[-1]
    written, arrays = ast.unparse(tree), list(scope.arrays().items())
    for name, values in arrays:
        gradient = f"{name.removesuffix('.data')}.grad"
        if not name.endswith(".data") or gradient in written:
            continue
        for text, code in GRADIENTS:
            for (a, one), (b, two) in itertools.product(arrays, arrays):
                if ("b" in code.co_names or a == b) and _shape(code, one, two) == values.shape:
                    source = text.replace("b", "(b)").replace("a", a, 1).replace("(b)", b)
                    new = located(ast.parse(f"{gradient} += {source}").body[0], last)
                    made = (new, last) if isinstance(last, ast.Return) else (last, new)
                    yield Edit("unwritten", 0, tree, path, made, path)


def _shape(code, a, b):
    try:
        return np.shape(eval(code, {"a": a, "b": b}))
    except Exception:
        return None


def _roles(tree: ast.AST, slot: Slot) -> frozenset[str]:
    """Return the roles of a slot that rules may ask for."""
    found = {slot.role}
    if slot.role in ("callee", "target", "axis", "option") or isinstance(slot.node, ast.Starred):
        return frozenset()
    if slot.role in ("index", "owner", "unpacked") or isinstance(slot.node, ast.Tuple | ast.List):
        return frozenset({"any"})
    if isinstance(slot.node, ast.Constant | ast.Slice):
        return frozenset()
    found.add("any")
    if isinstance(slot.node, ast.Name | ast.Attribute | ast.Subscript):
        found.add("name")
    if slot.path[:-1] == slot.block:
        found.add("loop" if isinstance(at_path(tree, slot.block), ast.For) else "value")
    return frozenset(found)


def _header(node):
    """Return the source of a node, of a compound statement its first line."""
    source = ast.unparse(node)
    return source.splitlines()[0] if isinstance(node, ast.stmt) else source


def _spliced(line, node, text):
    raw = line.encode()  # columns count bytes
    return (raw[: node.col_offset] + text.encode() + raw[node.end_col_offset :]).decode()


def _reads(source, wanted):
    """Return whether lines are the source of a statement."""
    text = textwrap.dedent("\n".join(line.rstrip("\n") for line in source))
    if text.rstrip().endswith(":"):
        text += "\n    pass"
    try:
        return _header(ast.parse(text).body[0]) == wanted
    except (SyntaxError, IndexError):
        return False
