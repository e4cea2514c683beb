"""Gradients of a step without a loss: whether any number has them, by its second derivatives.

If g is the gradient of a number, moving parameter i along u changes g_j along v as much as moving j
along v changes g_i along u. A factor of one parameter's whole gradient is not judged.
"""

import itertools
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.script.events import Forward, Update
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.step_check import Measured, StepCheck
from firstlight.tools.diagnose.probes.steps.step_place import Assignments
from firstlight.tools.diagnose.probes.steps.step_repair import StepRepair, candidates, window_of
from firstlight.tools.diagnose.probes.steps.step_units import Unit, value_units
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

H = 1e-7  # small, as a kink that is crossed looks like a wrong gradient
SAME, OTHER = 1e-3, 2e-2  # relative differences; what lies between is not judged
BUDGET = 4.0  # seconds of the search
MOST = 20  # arrays


@dataclass
class NoLoss(Evidence):
    """Gradients that are not those of any number, and the change of one line with which they are.

    Attributes
    ----------
    units : list of Unit
    repair : StepRepair
    """

    units: list[Unit]
    repair: StepRepair
    group, subject, where = WrongStep.group, WrongStep.subject, WrongStep.where
    line = WrongStep.line


class SecondSlopes:
    """The second derivatives of what a step of a script without a loss trains.

    Parameters
    ----------
    check : StepCheck
    edited : (int, ast.stmt), optional
        Number of one of the script's outermost statements, and what replaces it.

    Attributes
    ----------
    units : list of Unit
        The arrays on which some gradient depends.
    wrong : list of Unit
        Those whose gradients do not fit the others.
    """

    def __init__(self, check: StepCheck, edited: Any = None):
        self.check, self.edited, self.claims = check, edited, {}
        self.units: list[Unit] = []
        self.wrong: list[Unit] = []
        units = [one for one in value_units(check.window) if one.arrays and np.ndim(one.value)]
        names = {event.value: event.name for event in check.window.of(Update)}
        used = {text for one in units for text in one.texts}  # such as momenta
        units = [one for one in units if names[one.key] not in used]
        if check.window.of(Forward) or not 1 < len(units) <= MOST:
            return
        if (base := self._gradients(edited=edited)) is None:
            return
        self.base, seeds = base, (881, 882)
        self.moves = [{one.key: _direction(one.value, seed) for one in units} for seed in seeds]
        self.changes: list[dict[Any, Any]] = [{}, {}]
        for unit in units:
            for moves, changes in zip(self.moves, self.changes, strict=True):
                changes[unit.key] = self._changes(unit.key, moves[unit.key])
            self.units += [unit] if self._chosen(unit) else []
            if edited is not None and self._are_odd(unit, unit):
                break  # a wrong change: the others need not be measured
        self.wrong = self._odd()

    def repaired(self) -> NoLoss | None:
        """Return the first change of a line with which all gradients are those of one number."""
        check, wrong = self.check, {id(unit) for unit in self.wrong}
        right = [unit for unit in self.units if id(unit) not in wrong]
        if not any(np.ndim(one.value) > 1 for one in right):
            return None
        check.wrong, check.right = ([*map(Measured, units)] for units in (self.wrong, right))
        ends = time.thread_time() + BUDGET
        for place, edit in candidates(check, self._likely(right)):
            if time.thread_time() > ends:
                return None
            edited = place, edit.applied.body[0]
            base = self._gradients(edited=edited)
            if base is not None and self._are_same(base, right):
                other = None if self._are_same(base, self.wrong) else SecondSlopes(check, edited)
                if other and not other.wrong and len(other.units) == len(self.units):
                    return NoLoss(self.wrong + right, StepRepair.of(edit, check))
        return None

    def _likely(self, right):
        """Return the lines with values on which wrong gradients depend, and no right one.

        Those that come after all on which right ones depend, as in a backward pass, if there are.
        """
        check, found, right_until = self.check, {}, 0
        base = Assignments(check, {}, {}, True, check.claiming)
        trace(check.path, check.arguments, base)
        for place, name in enumerate(dict.fromkeys(key[:2] for key in base.values)):
            own = {k: _direction(v, 883) for k, v in base.values.items() if k[:2] == name}
            moved = self._gradients(assigned=own)
            if moved is None or not self._are_same(moved, right):
                right_until = place
            elif not self._are_same(moved, self.wrong):
                found[name[0]] = place
        return {line for line, place in found.items() if place > right_until} or set(found)

    def _gradients(self, moves=(), assigned=(), edited=None):
        """Return the possible gradients of each array with values moved, or a line changed."""
        check = self.check
        recorder = Assignments(check, dict(moves), dict(assigned), True, check.claiming)
        found = window_of(check, trace(check.path, check.arguments, recorder, edited))
        return None if found is None else {one.key: one.arrays for one in value_units(found)}

    def _changes(self, key, v):
        """Return how the gradients change along a move of an array."""
        moved = self._gradients({key: H * v}, edited=self.edited) or {}
        return {
            key: [(a - b) / H for a, b in zip(parts, self.base.get(key, []), strict=False)]
            for key, parts in moved.items()
        }

    def _chosen(self, unit):
        """Choose the claim whose own second derivatives fit; return whether any changes."""
        (u, v), key = (moves[unit.key] for moves in self.moves), unit.key
        along_u, along_v = (change[key].get(key, []) for change in self.changes)
        least = 1e-6 * max(np.abs(part).max() for parts in self.base.values() for part in parts)
        own = enumerate(along_u[: len(unit.texts) or None])
        depends = [n for n, change in own if np.abs(change).max(initial=0.0) > least]
        fitting = [n for n in depends if _agree(np.sum(along_u[n] * v), np.sum(along_v[n] * u))]
        self.claims[key] = next(iter(fitting or depends), 0)
        return bool(depends)

    def _slope(self, a, first, b, second):
        """Return the change of b's gradient along a direction where a is moved along another."""
        changes = self.changes[first][a.key].get(b.key, [])
        place = self.claims[b.key]
        return np.sum(changes[place] * self.moves[second][b.key]) if place < len(changes) else 0.0

    def _are_odd(self, a, b):
        """Return whether no factor makes the mixed derivatives of two arrays equal."""
        pairs = [(0, 1), (1, 0)] if a is b else list(itertools.product((0, 1), repeat=2))
        there = np.array([self._slope(a, n, b, m) for n, m in pairs])
        back = np.array([self._slope(b, m, a, n) for n, m in pairs])
        if a is b:
            return not _agree(*there, OTHER)
        least = 1e-6 * np.sqrt(abs(self._slope(a, 0, a, 0) * self._slope(b, 0, b, 0)))
        if max(np.abs(there).max(), np.abs(back).max()) <= least:
            return False
        factor = there @ back / (back @ back or 1.0)
        return factor <= 0 or np.abs(there - factor * back).max() > OTHER * np.abs(there).max()

    def _odd(self):
        """Return the fewest units without which all others fit each other."""
        pairs = itertools.combinations_with_replacement(range(len(self.units)), 2)
        odd = {pair for pair in pairs if self._are_odd(*(self.units[n] for n in pair))}
        wrong = []
        while odd:
            counts = Counter(n for a, b in odd for n in (a, b, *[a] * (a == b) * MOST))
            worst = counts.most_common(1)[0][0]
            wrong.append(self.units[worst])
            odd = {pair for pair in odd if worst not in pair}
        return wrong

    def _are_same(self, base, units):
        """Return whether gradients are those of the script as it is."""
        places = [(base.get(u.key, []), self.base[u.key], self.claims[u.key]) for u in units]
        return all(
            n < len(new) and np.allclose(new[n], old[n], 1e-9, 1e-12) for new, old, n in places
        )


def _direction(value: Any, seed: int) -> Array:
    size = max(float(np.sqrt(np.mean(np.square(value)))), 0.1)
    return np.random.default_rng(seed).standard_normal(np.shape(value)) * size


def _agree(a: float, b: float, most: float = SAME) -> bool:
    return bool(abs(a - b) <= most * max(abs(a), abs(b)))
