"""Which lines of a wrong backward are likely wrong, by their place and their effect.

The search for repairs tries edits of the other lines later.
"""

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.edits.syntax import Path, located, replaced, statements
from firstlight.tools.diagnose.probes.module.gradients import Gradient, probe
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.user_source import UserFunction

DELAY, ELSEWHERE = 2, 1  # ranks, of statements without effect, and not near the wrong line
PARTS = 12  # of an axis, of which some may be right


def right_parts(rerun: Rerun, gradient: Gradient, rng: np.random.Generator) -> Array:
    """Return a mask of the parts of a wrong gradient that are right: of its first and last axis."""
    right = np.zeros(gradient.values.shape, bool)
    for axis in {0, right.ndim - 1} if right.ndim else ():
        parts = np.array_split(np.arange(right.shape[axis]), min(PARTS, right.shape[axis]))
        for part in parts if len(parts) > 1 else ():
            inside = np.zeros_like(right)
            np.moveaxis(inside, axis, 0)[part] = True
            shown = probe(rerun, gradient, rng, shaped=lambda v, i=inside: v * i)
            right |= inside & (shown == "ok" and bool(np.any(gradient.analytic[inside])))
    return right


@dataclass
class Delays:
    """By how many ranks the edits of a statement come later.

    Attributes
    ----------
    rerun : Rerun
    place : Place or None
        The line that computes the first wrong value.
    right : dict of str to array
        The gradients that are right.
    parts : dict of str to array
        Masks of the entries of the wrong gradients that are right.
    """

    rerun: Rerun
    place: Place | None
    right: Mapping[str, Array]
    parts: Mapping[str, Array]

    def of_backward(self, function: UserFunction) -> dict[Path, int]:
        """Return the delays of statements elsewhere, and of those with another effect.

        These have none on something that is wrong, or one on something that is right.
        """
        near = _nearby(function.tree, self.place.line if self.place else 0)
        found = {path: ELSEWHERE for s, path in statements(function.tree) if near and s not in near}
        if len(self.parts) + len(self.right) + any(m.any() for m in self.parts.values()) < 2:
            return found
        try:
            before = self.rerun.backward()
        except Exception:  # it raises, which is what to repair
            return found
        for path, moved in _moved_statements(function.tree):
            try:
                with function.replaced_by(moved):
                    after = self.rerun.backward()
                changed = {n for n in before if not np.array_equal(before[n], after[n])}
                spoils = changed & self.right.keys() or any(
                    not np.array_equal(before[name][part], after[name][part])
                    for name, part in self.parts.items()
                )
            except Exception:  # it is no array
                continue
            if changed and (spoils or not self.parts.keys() <= changed):
                found[path] = found.get(path, 0) + DELAY
        return found

    def of_forward(self, function: UserFunction) -> dict[Path, int]:
        """Return the delays of statements that change what forward returns, not only saves."""
        found = {}
        for path, moved in _moved_statements(function.tree):
            try:
                with function.replaced_by(moved):
                    changed = not np.array_equal(self.rerun.forward(), self.rerun.y)
            except Exception:  # it is no array
                continue
            if changed:
                found[path] = DELAY
        return found


def _nearby(tree, line):
    """Return the statement at a line, and those that assign what it reads; none without it."""
    simple = [one for one, _ in statements(tree) if not hasattr(one, "body")]
    found = {one for one in simple if one.lineno <= line <= one.end_lineno}
    read = {node.id for one in found for node in ast.walk(one) if isinstance(node, ast.Name)}
    return found | {one for one in simple if found and read & set(map(_base, _targets(one)))}


def _targets(statement):
    """Return the names, attributes and items that a statement assigns."""
    given = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return [one for target in given for one in getattr(target, "elts", [target])]


def _base(target):
    """Return the name that an assignment changes, also that of one of its items."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return getattr(target, "id", None)


def _moved_statements(tree):
    """Yield the paths of statements, and trees in which their results are others."""
    for statement, path in statements(tree):
        match statement:
            case ast.Assign([ast.Name()], value) | ast.AugAssign(_, _, value):
                pass
            case ast.Return(ast.expr() as value) if not isinstance(value, ast.Tuple):
                pass
            case _:
                continue
        new = _moved(_Passed().visit(copy.deepcopy(value)))
        yield path, replaced(tree, (*path, ("value", None)), [located(new, value)])


class _Passed(ast.NodeTransformer):
    """Moves what is passed to the backward of a part."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, "attr", "") == "backward" and node.args:
            node.args = [_moved(node.args[0]), *node.args[1:]]
        return node


def _moved(value):
    """Return an expression of another value."""
    return ast.BinOp(ast.BinOp(value, ast.Mult(), ast.Constant(1.1)), ast.Add(), ast.Constant(0.1))
