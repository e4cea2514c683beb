"""Which statements of a wrong backward are likely wrong, by what they have an effect on.

The search for repairs tries edits of the others later.
"""

import ast
import copy
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.edits.syntax import Path, located, replaced, statements
from firstlight.tools.diagnose.probes.module.gradients import Gradient, probe
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.user_source import UserFunction

DELAY = 2  # ranks
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


def delays(
    function: UserFunction,
    run: Callable[[], Mapping[str, Array]],
    right: Mapping[str, Any],
    wrong: Set[str] = frozenset(),
) -> dict[Path, int]:
    """Return by how many ranks the edits of statements come later.

    Parameters
    ----------
    function : UserFunction
    run : callable
        Returns gradients, or other results, by name.
    right : dict of str to array
        Indices of the entries that are right, such as ``...`` or a mask: a statement with an
        effect on them is delayed.
    wrong : set of str
        The wrong results: a statement without effect on one of them is delayed.
    """
    found: dict[Path, int] = {}
    try:
        before = run()
    except Exception:  # it raises, which is what to repair
        return found
    for path, moved in _moved_statements(function.tree):
        try:
            with function.replaced_by(moved):
                after = run()
            changed = {n for n in before if not np.array_equal(before[n], after[n])}
            spoils = any(not np.array_equal(before[n][m], after[n][m]) for n, m in right.items())
        except Exception:  # it is no array
            continue
        if changed and (spoils or not wrong <= changed):
            found[path] = DELAY
    return found


def _moved_statements(tree):
    """Yield the paths of statements, and trees in which their results are others."""
    for statement, path in statements(tree):
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) and statement.value:
            new = _moved(_Passed().visit(copy.deepcopy(statement.value)))
            yield path, replaced(tree, (*path, ("value", None)), [located(new, statement.value)])


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
