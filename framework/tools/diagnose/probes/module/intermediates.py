"""Where in backward the first wrong value is computed."""

import ast
import time
import zlib
from collections.abc import Iterator

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.module.changes import Change
from firstlight.tools.diagnose.probes.module.gradients import Gradient
from firstlight.tools.diagnose.probes.module.other_derivatives import OtherDerivatives
from firstlight.tools.diagnose.probes.module.stand_ins import PART_DY
from firstlight.tools.diagnose.probes.module.watch import Node

EQUAL = {"rtol": 1e-5, "atol": 1e-9}
DIRECTIONS = 2
SECONDS = 0.5  # of CPU time for the search
EVALUATIONS = (0, -2, -1)  # of a variable in a loop: backward meets the last one first


def first_wrong_line(
    found: OtherDerivatives, wrong: list[Gradient], change: Change | None = None
) -> Place | None:
    """Return the line of backward that computes the first wrong gradient, None if unknown.

    A value of backward is wrong if it equals a gradient that is returned, accumulated or passed to
    a part and wrong; or if it is the gradient of one of forward's variables with a change, and
    not without.

    Parameters
    ----------
    found : OtherDerivatives
    wrong : list of Gradient
    change : Change, optional
        That explains the wrong gradients.
    """
    values, nodes, latest = found.backward.values, found.backward.nodes, {}
    passed = [one.analytic for one in wrong if PART_DY in one.name]
    bad = [one.analytic for one in wrong if PART_DY not in one.name]
    moves = list(_slopes(found, change))
    for number, index in found.backward.order:
        value = latest[number] = values[number][index]
        if calls_backward(nodes[number]):
            given = [latest[one] for one in nodes[number].operands if one in latest]
            if any(_is_one_of(one, passed) for one in given):
                return nodes[number].place
        if value.size < 2 or not value.any() or np.array_equal(value, found.rerun.dy):
            continue
        right, changed = _is_gradient(value, moves)
        if not right and (changed or _is_one_of(value, bad)):
            writes = found.backward.writes.get(nodes[number].code)
            return writes[-1] if writes else nodes[number].place
    return _named_line(found, wrong)


def _named_line(found, wrong):
    """Return the line that makes the first wrong gradient, by its name; None if unknown."""
    for one in sorted(wrong, key=lambda one: PART_DY not in one.name):
        part = one.name.rpartition(PART_DY)[0]
        for node in reversed(found.backward.nodes):
            if part and calls_backward(node) and node.code.startswith(f"self.{part}.backward"):
                return node.place
        if one.name.startswith("dx") and found.backward.order:
            return found.backward.nodes[found.backward.order[-1][0]].place
        if writes := found.backward.writes.get(f"self.{one.name}.grad"):
            return writes[-1]
    return None


def calls_backward(node: Node) -> bool:
    """Return whether an expression is a call of a part's backward."""
    return isinstance(node.tree, ast.Call) and getattr(node.tree.func, "attr", "") == "backward"


def _is_one_of(value, arrays):
    return any(value.shape == one.shape and np.allclose(value, one, **EQUAL) for one in arrays)


def _is_gradient(value, moves):
    """Return whether a value is the gradient of a variable, and that of one with the change."""
    right = changed = False
    for shape, without, with_change in moves:
        if shape == value.shape:
            along = np.array([(value * v).sum() for v in directions(shape)])
            right |= np.allclose(along, without, **EQUAL)
            changed |= np.allclose(along, with_change, **EQUAL)
    return right, changed


def _slopes(found: OtherDerivatives, change: Change | None) -> Iterator[tuple]:
    """Yield shape, derivatives and changed derivatives of forward's variables."""
    shapes = {array.shape for arrays in found.backward.values.values() for array in arrays}
    until = time.thread_time() + SECONDS
    arguments = {
        one for node in found.nodes if isinstance(node.tree, ast.Call) for one in node.operands
    }
    for number, node in enumerate(found.nodes):
        arrays = found.base.get(number, [])
        inner = number in arguments and not isinstance(node.tree, ast.Name)
        if not (node.target or inner) or not arrays or arrays[0].shape not in shapes:
            continue
        for index in sorted({at % len(arrays) for at in EVALUATIONS if -at <= len(arrays)}):
            if time.thread_time() > until:
                return
            shape = arrays[index].shape
            moves = [(number, index, v) for v in directions(shape)]
            right = changed = np.array([found.slope({}, moved=one) for one in moves])
            if change is not None:
                changed = np.array([found.slope({}, change, moved=one) for one in moves])
            yield shape, right, changed


def directions(shape: tuple[int, ...]) -> list[Array]:
    """Return some random directions, the same ones for the same shape."""
    rng = np.random.default_rng(zlib.crc32(repr(shape).encode()))
    return [rng.standard_normal(shape) for _ in range(DIRECTIONS)]
