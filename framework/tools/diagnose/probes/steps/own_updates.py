"""Own updates: how a script's own statements move its arrays by their gradients, as evidence."""

import ast
import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.optimizers.optimizer_claims import claimed_family
from firstlight.tools.diagnose.probes.optimizers.update_rules import (
    FAMILIES,
    Rule,
    Settings,
    healthy,
    mistaken,
)
from firstlight.tools.diagnose.probes.script.events import Assigned, Trace, Update
from firstlight.tools.diagnose.probes.script.source_text import around
from firstlight.tools.diagnose.probes.steps.step_check import LOSS_NAMES, StepCheck
from firstlight.tools.diagnose.probes.steps.step_leaves import leaves_of, lost_values
from firstlight.tools.diagnose.probes.steps.step_units import Unit, value_units, windows

STEPS = 6  # that are compared with the rules
ENTRIES = 24  # of an array, at most
TOLERANCE = 1e-3  # of an entry's largest movement
USUAL = [rule for family in FAMILIES for rule in healthy(family, decays=False)]
UNCORRECTED = [Rule("mean", "mean", scale=scale) for scale in ("root", "inside")]
NAMED = {  # mistakes that no usual rule explains, whatever the rule is meant to be
    *("momentum-sign", "momentum-turned", "no-root", "multiplied", "not-squared", "absolute"),
    *("square-of-mean", "first-only", "second-only", "corrections-swapped", "share-of-other"),
    *("correction-linear", "correction-constant", "correction-late", "one-beta", "second-turned"),
    *("correction-counted", "correction-early", "replaced"),
}


@dataclass
class OwnUpdate:
    """The movements of one array whose gradient is right.

    Attributes
    ----------
    name : str
    at : Place
        The statement that moves it.
    gradients, moved : array, shape (steps, entries)
        The gradients, and the way from the start after each step.
    numbers : list of float
        That the statements combine.
    of_loss : bool
        Whether the gradient is that of a number which is named as a loss.
    turns : bool
        Whether the script computes one minus a number.
    is_adam : bool
        Whether the function or class around the statement is called so.
    scheduled : bool
        Whether the learning rate may be another one in each step.
    owners : array or None
        The number of each entry's array, of several that one statement moves in turn.
    """

    name: str
    at: Place
    gradients: Array
    moved: Array
    numbers: list[float]
    of_loss: bool
    turns: bool
    is_adam: bool
    scheduled: bool
    owners: Array | None = None

    def mistake(self) -> str:
        """Return the name of the mistake, "" if it follows a usual rule or an unknown one."""
        sign = next((s for rule in USUAL + UNCORRECTED if (s := self._follows(rule))), 0)
        if sign > 0:
            uncorrected = self.is_adam and not any(self._follows(rule) for rule in USUAL)
            return "no-correction" if uncorrected else ""
        if sign < 0 or self._rises():
            return "uphill" if self.of_loss else ""
        if self.scheduled and any(self._follows(rule, each=True) > 0 for rule in USUAL):
            return ""
        for rule in USUAL:
            for key, wrong in mistaken(rule):
                turned = "turned" in key and not self.turns
                if key in NAMED and not turned and self._follows(wrong) > 0:
                    return key
        return ""

    @property
    def beta(self) -> float:
        """The number that it most likely keeps of its running mean."""
        return next((n for n in sorted(self.numbers, reverse=True) if 0.5 <= n < 1), 0.9)

    def _rises(self):
        """Return whether the first two movements go along the gradient, in nearly every entry."""
        parts = np.diff(self.moved[:2], axis=0, prepend=0) * self.gradients[:2]
        sizes = np.abs(parts).sum(axis=1)
        return bool(sizes.all() and (parts.sum(axis=1) > 0.9 * sizes).all())

    def _follows(self, rule: Rule, *, each: bool = False) -> int:
        """Return 1 if a rule with some learning rate explains the steps, -1 with a negative one.

        With ``each``, each step may have a rate of its own.
        """
        settings = self._settings()
        with np.errstate(all="ignore"):
            made = rule.weights(np.zeros(self.moved.shape[1]), self.gradients, settings)
            moved, axes = self.moved[:, None], (0, 2)
            if each:
                made, moved = (np.diff(way, axis=0, prepend=0) for way in (made, moved))
                axes = 2
            rates = (made * moved).sum(axes, keepdims=True) / np.square(made).sum(
                axes, keepdims=True
            )
            allowed = TOLERANCE * np.abs(self.moved).max(axis=0)
            same = (np.abs(made * rates - moved) <= allowed).all(axis=(0, 2))
        found = rates[0, same, 0]
        return int(np.sign(found[0])) if len(found) else 0

    def _settings(self):
        betas = {n for n in self.numbers if 0.5 <= n < 1} | {
            1 - n for n in self.numbers if 0 < n <= 0.5
        }
        small = sorted({n for n in self.numbers if 0 < n < 1e-3} | {1e-8})
        known = sorted(betas)[:6] or [0.9]
        owners = np.zeros(self.moved.shape[1], int) if self.owners is None else self.owners
        return Settings([1.0], known, known, [0.0], small[:4], owners)


@dataclass
class OwnUpdates(Evidence):
    """The movements of all arrays that a training moves itself.

    Attributes
    ----------
    updates : list of OwnUpdate
    lost : list of Update
        Statements whose running value is zero before each step.
    """

    updates: list[OwnUpdate]
    lost: list[Update]
    group = "training"
    subject = "updates of the script's own code"
    where = "training loop"

    def together(self) -> OwnUpdate | None:
        """Return the arrays that one statement moves as one, None if there are not several."""
        line = self.updates[0].at.line if self.updates else 0
        parts = [one for one in self.updates if one.at.line == line]
        if len(parts) < 2 or len({len(one.moved) for one in parts}) > 1:
            return None
        gradients, moved = (
            np.concatenate([getattr(one, name) for one in parts], axis=1)
            for name in ("gradients", "moved")
        )
        owners = np.repeat(range(len(parts)), [one.moved.shape[1] for one in parts])
        return replace(parts[0], gradients=gradients, moved=moved, owners=owners)

    def __post_init__(self):
        self.detail = f"{len(self.updates)} arrays"


def own_updates(check: StepCheck, trace: Trace, number: int) -> OwnUpdates | None:
    """Return the evidence of a training whose gradients are right, None without any.

    Parameters
    ----------
    check : StepCheck
        Of one of its steps.
    trace : Trace
        The same script with more steps.
    number : int
        Of the training among the windows.
    """
    found = windows(trace)
    if len(found) <= number:
        return None
    window = found[number]
    source = check.path.read_text(encoding="utf-8")
    turns = bool(re.search(r"\b1(\.0*)? ?- ?[a-z(]", source))
    chosen = dict(_right(check))
    updates = []
    for place, unit in enumerate(value_units(window)):
        own = isinstance(unit.key, tuple) and unit.key[0] == "value"
        if place in chosen and own and np.ndim(unit.value):  # a number's factors are numbers, too
            claim, named = chosen[place]
            course = _course(trace, unit, claim)
            if course is not None:
                is_adam = claimed_family(scope(source, unit.at.line), {}) == "adam"
                scheduled = is_scheduled(trace, unit.key)
                settings = named, turns, is_adam, scheduled
                updates.append(OwnUpdate(unit.name, unit.at, *course, *settings))
    lost = list(lost_values(trace))
    return OwnUpdates(updates, lost) if updates or lost else None


def scope(source: str, line: int) -> str:
    """Return the names of the functions and classes around a line."""
    nodes = around(ast.parse(source), line, ast.FunctionDef, ast.ClassDef)
    return " ".join(node.name for node in nodes)


def _right(check: StepCheck) -> Iterator[tuple[int, tuple[int, bool]]]:
    """Yield the number of each unit with a right gradient, and which claim that is."""
    measured = {id(one.unit): one for one in check.right}
    for units, together in check.together:
        for place, unit in enumerate(units):
            at_once = together if id(unit) in check.right_together else None
            one = measured.get(id(unit), at_once)
            if one is not None and unit.texts:
                losses = check.candidates(one.scalars)
                fitting = [
                    index
                    for index, claim in enumerate(unit.claims[: len(unit.texts)])
                    if one is together or claim and check.fits(claim, one, losses)
                ]
                named = any(part in w.name.lower() for w in losses for part in LOSS_NAMES)
                if fitting:
                    yield place, (fitting[0], named)


def _course(trace: Trace, unit: Unit, claim: int):
    """Return gradients, movements and numbers of the steps of one array, None if unknown."""
    if claim >= len(unit.texts):
        return None
    text, gradients, weights, start = unit.texts[claim], [], [], None
    numbers: list[set[float]] = []
    own = [e for e in trace.of(Update) if e.value == unit.key and e.trains]
    for _, group in itertools.groupby(own, key=lambda e: e.step):
        events = list(group)
        first, last = events[0], events[-1]
        if start is None:
            start = np.ravel(first.before)
        elif not np.array_equal(np.ravel(first.before), weights[-1]):
            break  # something else has moved it
        leaves = leaves_of(trace, last)
        used = next((value for name, value in leaves if name == text), None)
        if used is None:
            break
        gradients.append(np.ravel(used))
        weights.append(np.ravel(last.after))
        numbers.append(_numbers(trace, last))
    if len(gradients) < 3:
        return None
    moved = np.array(weights, "float64") - start
    chosen = np.argsort(-np.abs(gradients).max(axis=0), kind="stable")[:ENTRIES]
    chosen = [c for c in chosen if np.abs(moved[:, c]).max() > 0]
    if not chosen or not np.isfinite(moved).all():
        return None
    constant = sorted(set.intersection(*numbers[1:]))  # at first, what is zero does not change
    return np.array(gradients, "float64")[:, chosen], moved[:, chosen], constant


def is_scheduled(trace: Trace, value: Any) -> bool:
    """Return whether updates call a function of the script, or use a number that changes."""
    events = [e for e in trace.of(Update) if e.value == value and e.trains]
    rates = [{n: v for n, v in e.sources.items() if isinstance(v, float)} for e in events]
    if any(one != rates[0] for one in rates):
        return True
    with contextlib.suppress(SyntaxError):
        calls = [n for n in ast.walk(ast.parse(events[0].at.code)) if isinstance(n, ast.Call)]
        return any(isinstance(call.func, ast.Name) for call in calls)
    return False


def _numbers(trace, event):
    """Return the numbers in the statements of a step up to an update, of arrays of its shape."""
    found: set[float] = set()
    for one in trace.events[: event.index + 1]:
        if isinstance(one, (Update, Assigned)) and one.step == event.step:
            value = one.after if isinstance(one, Update) else one.value
            if np.shape(value) == np.shape(event.after):
                found |= {float(s) for s in one.sources.values() if np.ndim(s) == 0}
                found |= set(getattr(one, "constants", ()))
    return found
