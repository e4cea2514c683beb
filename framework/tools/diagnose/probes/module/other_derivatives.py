"""Forwards with the same values but another derivative, and the one that a backward belongs to.

If backward treats the mean of a batch as a constant, it is right for a forward in which that mean
keeps its value when the input moves. Such a forward runs here: the values of one expression are
replaced, and its derivative is measured. If all gradients agree with it, the mistake is proven.
"""

import ast
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import root_mean_square, standard_normal
from firstlight.tools.diagnose.probes.module.changes import Change, Changes
from firstlight.tools.diagnose.probes.module.gradients import Gradient, typical_size
from firstlight.tools.diagnose.probes.module.rerun import Rerun
from firstlight.tools.diagnose.probes.module.watch import Node, Watch

H = 1e-6  # step of the differences
ROUGH, FINE = 3e-2, 2e-4  # largest error of an explanation, relative to what is to be explained
DIRECTIONS = 3  # along which an explanation has to hold
SECONDS = 1.5  # of CPU time, after which the search ends


class OtherDerivatives:
    """The search for the forward that a wrong backward belongs to.

    Parameters
    ----------
    rerun : Rerun
        Of the module, whose methods are instrumented.
    forward, backward : Watch
    gradients : list of Gradient
        All that backward returned.

    Attributes
    ----------
    rerun, forward, backward
        As given.
    gradients : dict of str to Gradient
        Those that can be compared.
    base : dict of int to list of array
        The values of forward's nodes.
    """

    def __init__(self, rerun: Rerun, forward: Watch, backward: Watch, gradients: list[Gradient]):
        self.rerun, self.forward, self.backward = rerun, forward, backward
        self.gradients: dict[str, Gradient] = {
            one.name: one
            for one in gradients
            if one.values is not None and np.shape(one.analytic) == one.values.shape
        }
        forward.recording = backward.recording = True
        found = rerun.backward()
        forward.recording = backward.recording = False
        self.same: bool = all(
            np.allclose(found[name], one.analytic, rtol=1e-9, atol=1e-12)
            for name, one in self.gradients.items()
        )
        self.base: Mapping[int, list[Array]] = forward.values
        self._loss = float(np.sum(rerun.dy * rerun.y))
        self._swapped: dict[int, list[Array]] = {}
        self._constant: frozenset[int] = frozenset()
        self._until = time.thread_time() + SECONDS

    @property
    def nodes(self) -> list[Node]:
        """The expressions of forward."""
        return self.forward.nodes

    def around(self, number: int) -> Node | None:
        """Return the expression that a node is an operand of, None without one."""
        return next((node for node in self.nodes if number in node.operands), None)

    def explanation(self, names: list[str]) -> Change | None:
        """Return the change with which these gradients are right, None if there is none."""
        rng, self._constant = np.random.default_rng(7), frozenset()
        directions = [self._direction(names, rng) for _ in range(DIRECTIONS)]
        claimed = [
            sum(float((self.gradients[name].analytic * v).sum()) for name, v in one.items())
            for one in directions
        ]
        right = [self.slope(one) for one in directions]
        gaps = [c - r for c, r in zip(claimed, right, strict=True)]
        if max(map(abs, gaps)) < 1e-7 * max(1e-30, *map(abs, claimed), *map(abs, right)):
            return None
        found, without = self._explanation(directions, right, gaps)
        if found is None and without:
            # What does not count, such as a maximum that is subtracted, is often left out too.
            self._constant = frozenset(without)
            if abs(self.slope(directions[0]) - right[0]) < FINE * abs(gaps[0]):
                found, _ = self._explanation(directions, right, gaps)
        if found is None:
            self._constant = frozenset()
            found, _ = self._explanation(directions, right, gaps, several=True)
        return found

    def _explanation(self, directions, right, gaps, several=False):
        """Return the change, or None, and the nodes whose path has no effect."""
        without, odd = [], []
        for change in itertools.chain(Changes(self.nodes, self.base), odd):
            if time.thread_time() > self._until:
                break
            if bool(change.also) != several:
                continue
            effect = self.slope(directions[0], change, one_sided=True) - right[0]
            if change.how == "path" and not change.factor:
                if abs(effect) < ROUGH * ROUGH * abs(gaps[0]):
                    without += [change.node] if change.index is None else []
                    continue
                # The derivative is linear in the factor, unless the path is taken repeatedly.
                factor = _round(1 - gaps[0] / effect)
                if factor and factor != 1 and change.index is None and not change.also:
                    odd.append(replace(change, factor=factor))
                    if factor in (2, -1):
                        change, effect = odd.pop(), gaps[0]
            if abs(effect - gaps[0]) > ROUGH * abs(gaps[0]):
                continue
            if all(
                abs(self.slope(v, change) - r - gap) <= FINE * max(map(abs, gaps))
                for v, r, gap in reversed(list(zip(directions, right, gaps, strict=True)))
            ):
                return change, without
        return None, without

    def slope(
        self,
        direction: Mapping[str, Array],
        change: Change | None = None,
        *,
        one_sided: bool = False,
        moved: tuple[int, int, Array] | None = None,
    ) -> float:
        """Return the derivative of L = Σ dy y with a change.

        Parameters
        ----------
        direction : dict of str to array
            By the names of gradients.
        change : Change, optional
        one_sided : bool
            Take half as long, less exactly.
        moved : (int, int, array), optional
            A node, one of its evaluations and a direction, along which its value moves too.
        """
        arrays = [(self.rerun.values(name), v) for name, v in direction.items()]
        before = [array.copy() for array, _ in arrays]
        sides = []
        try:
            for step in (H,) if one_sided else (H, -H):
                for (array, v), original in zip(arrays, before, strict=True):
                    array[...] = original + step * v
                sides.append(self._loss_with(change, moved, step))
        finally:
            for (array, _), original in zip(arrays, before, strict=True):
                array[...] = original
        if one_sided:
            return (sides[0] - self._loss) / H
        return (sides[0] - sides[1]) / (2 * H)

    def _loss_with(self, change, moved, step):
        if change is not None and change.how == "swapped":
            self._swapped = {}
            self.forward.replace = _moved(self._keep(change), moved, step)
            self.rerun.forward()
        self.forward.replace = _moved(self._replacement(change), moved, step)
        try:
            return float(np.sum(self.rerun.dy * self.rerun.forward()))
        finally:
            self.forward.replace = None

    def _keep(self, change):
        def keep(node, index, value):
            if node in (change.node, change.other):
                self._swapped.setdefault(node, []).append(np.array(value))
            return value

        return keep

    def _replacement(self, change: Change | None) -> Callable[[int, int, Array], Array] | None:
        base, latest, constant = self.base, self.forward.latest, self._constant
        if change is None and not constant:
            return None
        if change is None:
            return lambda number, index, value: base[number][index] if number in constant else value
        node, other = change.node, change.other
        count = len(base[node])

        def replaced(number, index, value):
            if number in constant:
                return base[number][index]
            if number not in (node, other, *change.also) or index >= len(base[number]):
                return value
            at = base[number][index]
            if change.how == "swapped":
                partner = other if number == node else node
                return at + self._swapped[partner][index] - base[partner][index]
            if change.how == "path":
                kept = change.index is not None and index == change.index % count
                return value if kept else at + change.factor * (value - at)
            if number != node:
                return value
            operands = [one for one in self.nodes[node].operands if one in base]
            moves = {one: latest[one] - base[one][index] for one in operands}
            if change.how == "passed":
                return at + moves[operands[0]]
            if change.how == "summed":
                return at + at * moves[operands[0]]
            (kept,) = [one for one in operands if one != other]
            return value + moves[kept] * (1 - self._partial(node, kept, other, index))

        return replaced

    def _partial(self, node, kept, other, index):
        """Return the derivative of a product or quotient by one of its operands."""
        value = self.base[other][index]
        return value if isinstance(self.nodes[node].tree.op, ast.Mult) else 1 / value

    def _direction(self, names, rng):
        found = {}
        for name in names:
            one = self.gradients[name]
            v = standard_normal(rng, one.values) * root_mean_square(one.values)
            found[name] = v / (typical_size(one.analytic, v) or 1.0)
        return found


def _moved(inner, moved, step):
    """Return a replacement that also moves one evaluation of one node."""
    if moved is None:
        return inner
    number, at, v = moved

    def replaced(node, index, value):
        value = value if inner is None else inner(node, index, value)
        return value + step * v if (node, index) == (number, at) else value

    return replaced


def _round(c):
    """Return a factor of a path: whole numbers exactly, and others as they are."""
    return float(round(c)) if abs(c - round(c)) < ROUGH else c
