"""Where in a script's own backward pass the first wrong value is computed.

A value a of the backward pass is meant to be dL/df of a value f of the forward pass if all that
follows from it is right: when a moves by δ, the gradient along v changes by Σ δ df/dv, where df/dv
is measured in the forward pass. This proves the pair without knowledge of the formulas between.
Then a itself is compared with the derivative of the loss with respect to f.
"""

import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.script.events import Event
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.script.program import script_tree
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.script.values import is_float_value
from firstlight.tools.diagnose.probes.steps.replay import Replay, direction, scaled
from firstlight.tools.diagnose.probes.steps.step_check import H, Measured, StepCheck
from firstlight.tools.diagnose.probes.steps.step_repair import keeps_loss, suspects, window_of
from firstlight.tools.diagnose.probes.steps.step_units import lasting

Name = tuple[int, str]  # a line, and what it assigns
Key = tuple[int, str, int]  # with how many times it was assigned before in this step
EXACT = 1e-5  # relative error of changes that should be equal
SECONDS = 3.6  # of the search; half of it to find pairs


@dataclass
class WrongValue:
    """The first value of a backward pass that is wrong.

    Attributes
    ----------
    at : Place
        The line that assigns it.
    name : str
    of : str
        The value of the forward pass whose gradient it should be.
    lines : set of int
        What was computed since the latest value that is right, with its own line.
    """

    at: Place
    name: str
    of: str
    lines: set[int] = field(default_factory=set)


class Assignments(Replay):
    """A replay that keeps the arrays that the step assigns, and may move one of them."""

    def __init__(
        self,
        check: StepCheck,
        moves: Mapping[Any, Any],
        moved: Mapping[Key, Any],
        brief: bool,
        lines: Set[int],
    ):
        super().__init__(check.path, check.window, check.moved(moves), brief=brief, lines=lines)
        self.moved: Mapping[Key, Any] = moved
        self.values: dict[Key, Array] = {}
        self.objects: dict[Key, Any] = {}  # that later statements may change
        self._times: dict[Name, int] = {}
        self._ends = check.window.trace.events[check.window.end].key
        self._over: bool = False

    def add(self, event: Event) -> None:
        """Append an event, and note where the step ends."""
        super().add(event)
        self._over |= event.key == self._ends

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """Keep what a statement assigned in the step, and move it if that is wanted."""
        if self._over or not self.begun or not is_float_value(value):
            return value
        key = site.line, name
        number = self._times[key] = self._times.get(key, -1) + 1
        if (*key, number) in self.moved:
            value = value + self.moved[*key, number]
        self.values[*key, number] = np.array(value)
        self.objects[*key, number] = value
        return value


@np.errstate(all="ignore")
def first_wrong_value(check: StepCheck) -> WrongValue | None:
    """Return the first wrong value of a step's backward pass, None if it is not proven."""
    own, shared, _ = suspects(check, script_tree(check.path))
    return _Search(check, own | shared).found()


class _Search:
    def __init__(self, check, lines):
        self.check, self.began, self.lines = check, time.thread_time(), lines
        self.wrong = [one for one in check.wrong[:2] if is_float_value(one.unit.v)]
        base, self.claims = self._run()
        self.base, self.complete = base.values, base.objects
        self.order = {key: index for index, key in enumerate(self.base)}
        self.tangents = [self._tangent(one.unit) for one in self.wrong]
        self.forward: set[Name] = set()
        self.slopes: dict[Key, Measured] = {}

    def found(self):
        """Return the first value of the backward pass that is wrong, None if none is proven."""
        pairs: dict[Name, tuple[Key, list[Key]]] = {}
        for key, of in self._pairs():
            pairs.setdefault(key[:2], (key, []))[1].append(of)
        owners: dict[Name, Name] = {}  # of values of the forward pass, by what was right once
        since = -1
        for place, key, shift, values in sorted(self._evaluations(pairs.values())):
            if time.thread_time() > self.began + SECONDS:
                return None
            known = {of: self._is_right(key, of, shift) for of in values}
            for of, right in known.items():
                if right:
                    owners.setdefault(of[:2], key[:2])
            wrong = [of for of, right in known.items() if right is False]
            if True in known.values():
                since = place
            elif of := self._own(key, wrong, owners, pairs):
                since = max(since, self._latest_right(since, place))
                between = {k for k, index in self.order.items() if since < index <= place}
                lines = {k[0] for k in between if k[:2] not in self.forward} | {key[0]}
                key = self._made(key)
                return WrongValue(Place.of(str(self.check.path), key[0]), key[1], of[1], lines)
        return None

    def _made(self, key):
        """Return the assignment that completed an array before others named it again."""
        array, place = self.complete[key], self.order[key]
        same = [k for k, index in self.order.items() if index < place and k[0] != key[0]]
        same = [k for k in same if self.complete[k] is array]
        same = [k for k in same if np.array_equal(self.base[k], self.base[key])]
        named = [k for k in same if k[1] == key[1]]
        return max(named or same, key=self.order.get, default=key)

    def _own(self, key, wrong, owners, pairs):
        """Return the value whose gradient another one should be and not only a part of."""
        for of in wrong:
            owner = owners.get(of[:2])
            if owner is None:
                others = [k for k, ofs in pairs.values() if of[:2] in {o[:2] for o in ofs}]
                # Of several parts of one gradient, the last one is the sum.
                owner = max(others, key=lambda k: self.order[k])[:2]
                owner = key[:2] if owners.keys() & {o[:2] for o in pairs[owner][1]} else owner
            if owner == key[:2]:
                return of
        return None

    def _latest_right(self, since, place):
        """Return the place of the latest value that is the gradient of some other value."""
        keys = [key for key, index in self.order.items() if since < index < place]
        moving = {of for tangents in self.tangents for of in tangents if of[0]}
        for key in reversed(keys):
            value = self.base[key]
            if key[:2] not in self.forward and value.size > 1 and value.any():
                for of in moving:
                    if time.thread_time() > self.began + SECONDS:
                        return -1
                    if of[:2] in self.forward and self._is_gradient(value, of):
                        return self.order[key]
        return -1

    def _run(self, moves=(), assigned=()):
        """Return a replay, and the claims of units."""
        lines = self.check.claiming
        recorder = Assignments(self.check, dict(moves), dict(assigned), True, lines)
        found = trace(self.check.path, self.check.arguments, recorder)
        window = window_of(self.check, found)
        if window is None or assigned and not keeps_loss(self.check, window):
            return recorder, None
        units = self.check.units(window, {one.unit.key for one in self.wrong})
        return recorder, {key: unit.claims for key, unit in units.items()}

    def _measured(self, moves=(), assigned=(), *, brief=False):
        recorder = Assignments(self.check, dict(moves), dict(assigned), brief, set())
        trace(self.check.path, self.check.arguments, recorder)
        return recorder

    def _tangent(self, unit):
        """Return df along a unit's direction, for all values f of its shape that change."""
        up, down = (
            self._measured({unit.key: scaled(unit.v, h)}, brief=True).values for h in (H, -H)
        )
        found = {(0, unit.name, 0): np.asarray(unit.v)}
        for key, value in up.items():
            if key in down and value.shape == down[key].shape:
                change = (value - down[key]) / (2 * H)
                if np.abs(change).max(initial=0.0) > 1e-9:
                    found[key] = change
        return found

    def _pairs(self) -> Iterator[tuple[Key, Key]]:
        """Yield values of the backward pass, each with the value whose gradient it should be."""
        last = {key[:2]: key[2] for key in self.base}
        after = self.lines | self.check.scopes.late
        self.forward |= {name for name in last if name[0] not in after}
        trained = {(event.at.line, event.name) for event in lasting(self.check.window)}
        names = [name for name in reversed(last) if name not in self.forward | trained]
        names.sort(key=lambda name: name[0] not in self.lines)
        backward: dict[Key, list[list[float]]] = {}
        for name in names:
            if time.thread_time() > self.began + SECONDS / 2:
                self.forward |= {other for other in names if other[0] not in self.lines}
                break
            for key in [(*name, last[name] - n) for n in (0, 1) if n <= last[name]]:
                delta = direction(self.base[key], 77)
                claims = self._run(assigned={key: delta})[1]
                if claims is None:  # the loss depends on it
                    self.forward.add(name)
                    break
                changes = [
                    [a - b for a, b in zip(claims[u], self.claims[u], strict=False)]
                    for u in (one.unit.key for one in self.wrong)
                ]
                if any(map(any, changes)):
                    backward[key] = changes
                    break
        own = {key[:2] for key in backward}
        for key, changes in backward.items():
            for of in {of for tangents in self.tangents for of in tangents}:
                if (
                    of[:2] not in own
                    and of[0] not in self.check.scopes.late
                    and all(
                        self._fits(key, tangents.get(of), some)
                        for tangents, some in zip(self.tangents, changes, strict=True)
                    )
                ):
                    yield key, of

    def _fits(self, key, tangent, changes):
        """Return whether a unit's claim changes as the gradient of a value does."""
        if tangent is None:
            return not any(changes)
        if tangent.shape != self.base[key].shape:
            return False
        parts = direction(self.base[key], 77) * tangent
        size = float(np.sqrt(np.square(parts).sum()))
        return any(abs(change - parts.sum()) <= EXACT * size for change in changes)

    def _evaluations(self, pairs):
        """Yield the evaluations to compare, with their order; of a parameter's only the last."""
        for key, values in pairs:
            numbers = {0, min(1, key[2]), key[2]} if all(of[0] for of in values) else {key[2]}
            for number in numbers:
                one = (*key[:2], number)
                yield self.order[one], one, key[2] - number, values

    def _is_right(self, key, of, shift):
        """Return whether a value is the derivative of the loss; None if that has none.

        It is computed by a number of iterations earlier than where it is known to be that of `of`.
        """
        value = np.asarray(self.complete[key])
        if not of[0]:
            one = next(one for one in self.wrong if one.unit.name == of[1])
            claim = float(np.sum(value * one.unit.v))
            return bool(claim) and self.check.fits(claim, one, self.check.candidates(one.scalars))
        last = max(k[2] for k in self.base if k[:2] == of[:2])
        numbers = [n for n in (of[2] + shift, of[2] - shift) if 0 <= n <= last] or [0] * (not last)
        known = [self._is_gradient(value, (*of[:2], number)) for number in dict.fromkeys(numbers)]
        return True if True in known else False if False in known else None

    def _is_gradient(self, value, of):
        if self.base[of].shape != value.shape:
            return None
        v = direction(self.base[of], 78)
        if of not in self.slopes:
            self.slopes[of] = self.check.measure_with(
                lambda h: self._measured(assigned={of: h * v}).found
            )
        measured, claim = self.slopes[of], float(np.sum(value * v))
        losses = self.check.candidates(measured.scalars)
        return claim != 0 and self.check.fits(claim, measured, losses) if losses else None
